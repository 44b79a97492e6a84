"""Who may do what: Cedar texts fenced, validated and turned into verdicts (spec/policy.md)."""

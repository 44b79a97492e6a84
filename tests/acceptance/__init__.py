"""The command and the HTTP API as a stranger meets them: processes, files and JSON, no imports.

Only envelopes that the command would not sign are made with the SDK.
"""

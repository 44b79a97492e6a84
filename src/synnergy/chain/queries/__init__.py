"""What can be asked of a committed chain: pure functions from one moment of it to frozen structs.

moment      the snapshot that everything else reads
ledger      the chain, blocks, transactions, accounts, payloads
market      models, offers, licences, artefacts, documents
regulation  the policy set, what it would say, proposals
oversight   flags, spending limits, and by what parameters conduct is flagged
validators  the nodes of a network, and what each weighs
state       any record with its proof
prices      the gas table and the opcodes
quotes      what a transaction would be charged
"""

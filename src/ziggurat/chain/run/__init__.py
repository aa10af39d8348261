"""How a chain runs, from the inputs that are let in to the last event.

`session` is one run from beginning to end; `runner` drives its plan; `execution` carries one stage out
at one place of the run, with `attempts` for its policy, `calling` for its kind and `nesting` for
stages made of stages; `ledger` is its side of the journal, `metering` of the budget, `streaming` of
its readers. What a chain *is* lies in the folder above and knows nothing of this one but its doors.
"""

"""
The gate: is the candidate slower than the baseline? Knows nothing of networks or services, nor of the suite it judges.

    signed_rank.py   exact small-sample statistics
    decision.py      blocks -> verdict
    plan.py          how many blocks, what fits into the time
    sides.py         what a side is: a tree, an interpreter, options; and the words that start its pytest
    baseline.py      REV, PATH or CHECKOUT:PYTHON -> a side
    worktree.py  environment.py   a revision's files and, where its dependencies differ, its interpreter
    cores.py         who runs on which core
    channel.py       words between the coordinator and the children
    children.py      three pytest processes of a block
    turns.py         whose round comes when, and what rounds come to
    duel.py          one block: every case once
    relay.py         one trio after the other
    question.py      what is asked, and who is told
    judging.py       what was measured -> second looks and verdicts
    campaign.py      blocks, stages, verdicts
    verdict.py       what is said in the end, and the exit code
    interrupts.py    Ctrl-C at the wrong moment
    injected/        the plugin that the children run; it needs nothing of runoff
"""

"""The fault suite: thirteen faults, struck while real workers run, and a checker that judges the history.

Nothing here ships. `README.md` says what is counted and how; `python -m faults --help` runs it.

* `catalogue` lists the faults; `killing`, `messages`, `storage`, `providers_fail`, `clocks` and `poison`
  strike them
* `rig` runs a server, a simulator, workers and beats; `load` enqueues and reads; `watch` looks at leases
* `history` is what was recorded; `checker` judges it offline, against the simulator's own log
* `naive` is what most scripts do instead; it shows that the faults bite
"""

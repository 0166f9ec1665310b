"""The history as large files by date and kind, exact for a reader at any moment.

The driver writes each batch into a folder of its own, `recent/batch_id=N`, many and small. A run of
`python -m vpp_workloads.streaming.history` folds those of finished batches into few large files,
`history/date=D/kind=K/*.parquet`, and carries on with the one file of that date and kind that is not full yet.

Several files come and go in one fold, and no listing of folders shows that in one step: a reader would meet rows twice
or not at all. So the history says itself which files it consists of, in the log `history/_spark_metadata` that Spark
keeps for tables of its own streaming queries and that `spark.read.parquet(".../history")` follows by itself. Version
N of it, the file `N.compact`, names every file of the history at that moment. This is why it is right:

- A version appears whole, by one rename, and only where there is no version of that number. So of two folds that
  start from one version, one succeeds; the other has done nothing that anybody can see.
- Each version holds the rows of the batches up to some number exactly once: the next one takes the file that is not
  full and the batches behind that number out, and the files with the same rows in. A finished batch never changes.
- What a version names stays for a while after its successor has come, so that who has begun to read can end.
- A fold writes down the names of its files before it makes them. What no version names is removed when a version has
  come after that note: the fold that wrote it has succeeded, or can no longer.

So a fold may die anywhere, and the next one goes on. `log` has the versions, `plan` the decisions, both pure; `fold` is
the input and output; `rows` is how an audit reads all there is.
"""

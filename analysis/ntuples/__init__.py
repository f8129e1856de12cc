"""Reading flat ROOT ntuples, at the speed of inflating them, as exactly as uproot.

`reader.iterate` is the way in: files, columns, a cut; out come chunks of the rows that pass. Behind it

- `expression`, `grammar`: the language of cuts;
- `opening`, `source`: which branches are read by their baskets and which by uproot, and errors that tell the place;
- `metadata`, `index`: where the baskets lie, read from the file or remembered from last time;
- `baskets`, `codec`: the baskets themselves;
- `batches`: putting small chunks together.

uproot is the specification (tests compare every bit), the fall-back for whatever is unusual, and the judge of what is
damaged.
"""

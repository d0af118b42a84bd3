"""Whether a result got worse than another, or than a committed baseline.

- `sides`: what is compared: a result, or a baseline's file, in one form.
- `refusals`: what must be equal before anything is compared.
- `means`: the paired mean and how sure it is; `tails`: broken images that no mean shows.
- `policy`: which metrics decide, by which margins; `verdict`: what is said, and the exit status that it calls for.
- `judge`: all of it, of two sides.
"""

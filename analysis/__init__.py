"""Pure statistics of the alliance: arrays and frames in, typed result objects with a tidy ``to_frame()`` out.

No input or output, no global state, and nothing imported from ``flows``, ``report`` or ``expectations``: every module
here is usable from a notebook without a warehouse. One :class:`analysis.components.solution.Solution` is made once by
:func:`analysis.components.components.find_components`; scores, reliability, congruence and the rest derive from it.
"""

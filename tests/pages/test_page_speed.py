"""How fast the explorer follows the hand, on a built book; nothing else may run, so these tests are separate."""

import math
import statistics

from explorer_page import Explorer
from visitor import PLAIN, PLAIN_MS, Visitor

# Note what a drag costs: how long each image took the decoder, and tasks of more than 50 ms of the page's own thread.
_WATCH_COSTS = """() => {
    const costs = window.costs = {decoded: [], tasks: []};
    const root = document.querySelector('.vx');
    new MutationObserver(() => costs.decoded.push(Number(root.dataset.milliseconds)))
        .observe(root, {attributeFilter: ['data-milliseconds']});
    new PerformanceObserver(list => costs.tasks.push(...list.getEntries().map(task => task.duration)))
        .observe({type: 'longtask'});
}"""

# What a loop takes in this very page, again and again.
_LOOPS = """() => {
    PLAIN
    return Array.from({length: 20}, () => {
        const begun = performance.now();
        plain();
        return performance.now() - begun;
    });
}""".replace("PLAIN", PLAIN)


def test_dragging_is_smooth(visitor: Visitor) -> None:
    """An image in at most 16 ms, as a screen of 60 Hz draws them, and no task that holds up the page for 100 ms.

    On the machine that `visitor.PLAIN_MS` tells of: a plain loop, run in the same page, says how much slower this one
    is. A shared machine may be slow for a while, which is not the page's doing: so one of ten drags has to be smooth.
    """
    explorer = Explorer(visitor.go("notebooks/00_explorer.html"))
    circle = [(0.5 + 0.25 * math.cos(turn / 8), 0.45 + 0.25 * math.sin(turn / 8)) for turn in range(51)]
    smooth = False
    for _ in range(10):
        slower = statistics.median(explorer.page.evaluate(_LOOPS)) / PLAIN_MS
        explorer.page.evaluate(_WATCH_COSTS)
        explorer.drag("parameters", circle, pause=40)
        explorer.look()
        costs = explorer.page.evaluate("() => costs")
        assert len(costs["decoded"]) >= 30
        median, longest = statistics.median(costs["decoded"]), max(costs["tasks"], default=0.0)
        print(f"\ndecoded in {median:.1f} ms (median); longest task of the page {longest or '< 50'} ms; {slower=:.2f}")
        if smooth := median <= 16 * slower and longest <= 100 * slower:
            break
    assert smooth
    assert visitor.wrong == []

"""Load over kept connections, by wrk: one thread of C and LuaJIT for all of them, which takes a tenth of what the leanest
route takes of the service. An interpreter would measure itself."""

import itertools
import json
import resource
import subprocess

from running import WrongResult

turn = itertools.count(1)


def lua(value):
    """A Python value as Lua writes it."""
    match value:
        case None: return "nil"
        case bool(): return "true" if value else "false"
        case int() | float(): return str(value)
        case str(): return json.dumps(value, ensure_ascii=False)
        case list(): return "{" + ", ".join(map(lua, value)) + "}"
        case dict(): return "{" + ", ".join(f"{name} = {lua(item)}" for name, item in value.items()) + "}"
    raise TypeError(value)


def drive(folder, address, plan, connections, seconds):
    """What wrk counted: requests, seconds, and milliseconds of latency as p50, p99 and max."""
    run = next(turn)
    if plan.get("key"):
        plan = plan | {"key": f"{plan['key']}-{run}-"}
    file = folder / f"plan-{run}.lua"
    file.write_text("return " + lua(plan | {"seed": run}) + "\n", encoding="utf-8")
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "20s", "-s",
               __file__.removesuffix(".py") + ".lua", f"http://{address}/", "--", str(file)]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    wrk = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    file.unlink()
    found = [line[1:] for line in wrk.stdout.splitlines() if line.startswith("@")]
    if wrk.returncode or not found:
        raise WrongResult(f"wrk: {wrk.stdout[-500:]} {wrk.stderr[-500:]}")
    counted = json.loads(found[0])
    if counted["refused"] or counted["broken"]:
        raise WrongResult(f"not every request was answered well: {plan['method']} {plan['path']}: {counted}")
    return counted | {"cpu": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime}

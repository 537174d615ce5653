"""Flame graphs: stacks out of what `perf script` prints, and a picture of them that needs no script to be read."""

import re
from collections import Counter
from html import escape

WIDTH, ROW, LEAST = 1600, 17, 0.003
"""Pixels, pixels, and the share of a process's samples below which a frame is not drawn."""

PLUMBING = re.compile(
    r"^(?:core|alloc|std|tokio::(?:runtime|task)|futures_(?:util|core)|tracing|actix_(?:rt|service|server|web|cors|http::h1::disp)"
    r"|diesel_async::run_query_dsl|scoped_tls|once_cell|pin_project|__rust|_start|__libc_start|__GI_|clone|start_thread"
    r"|T::|F::|C::|new::thread_start|x64_sys_call|\[unknown\])")
"""Frames that only pass a call on; they are left out, unless the sample was taken in one."""

TASKS = (("connections to PostgreSQL", re.compile(r"^tokio_postgres::connection")),
         ("jobs", re.compile(r"^kakeuri::(?:worker|workflows::job)")),
         ("requests", re.compile(r"^(?:actix_|kakeuri::(?:http|db|workflows))")),
         ("calls to Paid", re.compile(r"^(?:hyper|reqwest|h2)")))
"""What a sample of the service is part of, by a frame in it: stacks are too deep for perf to see all of them down to their
beginning. The rest is the runtime's."""

KERNEL = ((re.compile(r"^(?:__)?x64_sys_(\w+)"), "system call {}"), (re.compile(r"^asm_sysvec_(\w+)"), "interrupt"),
          (re.compile(r"^asm_exc_(page_fault)"), "page fault"))
"""Where the system begins: what lies deeper is left out."""


def shorten(name):
    """A function's name without what its types are made of: `<a::B<C> as d::E>::f` is `a::B::f`."""
    name = re.sub(r"::h[0-9a-f]{16}$|\[[0-9a-f]{8,16}\]|\.llvm\.\d+|\.(?:cold|isra|part|constprop)\.?\d*", "", name)
    name = name.replace("{{closure}}", "{closure}").replace("$LT$", "<").replace("$GT$", ">").replace("..", "::")
    impl = re.match(r"^<(?:&(?:mut )?)?(?:dyn )?((?:[\w:]+)(?:<.*?>)?) as .*>::", name)
    if impl:
        name = f"{impl[1]}::{name.rpartition('>::')[2]}"
    before = None
    while before != name:
        before, name = name, re.sub(r"<[^<>]*>", "", name)
    name = re.sub(r"(?:::)?\{(?:closure|shim|impl|closure_env)[^}]*\}|::\{\w+#\d+\}", "", name)
    return re.sub(r":{3,}", "::", name).strip("<>:& ") or "?"


def stacks(lines):
    """Each sample as a tuple, from its process down to where it was taken."""
    who, frames = None, []
    for line in lines:
        line = line.rstrip("\n")
        if not line:
            if who:
                yield stack(who, frames)
            who, frames = None, []
        elif line[0].isspace() and who is not None:
            found = re.match(r"\s+[0-9a-f]+ (.*)", line)
            frames.append(shorten(found[1]) if found else "?")
        else:
            who = "postgres" if line.strip().startswith("postgres") else "kakeuri"


def stack(who, frames):
    """Of frames that come with the deepest first."""
    for at in range(len(frames) - 1, -1, -1):
        name = next((name.format(found[1]) for sign, name in KERNEL if (found := sign.match(frames[at]))), None)
        if name:
            frames = [name, *(frame for frame in frames[at + 1:] if not frame.startswith(("do_syscall", "entry_")))]
            break
    kept = []
    for at, name in enumerate(frames):
        if at and PLUMBING.match(name):
            continue
        if not kept or kept[-1] != name:
            kept.append(name)
    task = [next((task for task, sign in TASKS if any(map(sign.match, frames))), "the runtime")] if who == "kakeuri" else []
    return who, *task, *reversed(kept)


def leaves(counted, who, most=8):
    """Where most samples of a process were taken, with their shares."""
    total, ends = 0, Counter()
    for frames, count in counted.items():
        if frames[0] == who:
            total, ends[frames[-1]] = total + count, ends[frames[-1]] + count
    return [(name, count / total) for name, count in ends.most_common(most)]


def tree(counted):
    """Frames below frames: name to (samples, frames below)."""
    root = [0, {}]
    for frames, count in counted.items():
        node = root
        node[0] += count
        for name in frames:
            node = node[1].setdefault(name, [0, {}])
            node[0] += count
    return root


def colour(name, who):
    """Of the service warm, of PostgreSQL cold, the system's own grey."""
    shade = sum(map(ord, name)) % 40
    if not re.search(r"::|^[A-Z]", name) and who == "kakeuri":
        return f"rgb({190 + shade},{190 + shade},{185 + shade})"
    if who == "postgres":
        return f"rgb({120 + shade},{165 + shade},{205 + shade})"
    return f"rgb({225 + shade // 2},{130 + 2 * shade},70)"


def draw(counted, title):
    """An SVG. Each frame is as wide as its share; pointing at one tells its name and share."""
    root, boxes, deepest = tree(counted), [], 0
    total = root[0]

    def place(node, left, depth, who):
        nonlocal deepest
        deepest = max(deepest, depth)
        for name, (count, below) in sorted(node[1].items()):
            if count >= LEAST * total:
                boxes.append((name, who or name, left, depth, count))
                place((count, below), left, depth + 1, who or name)
            left += count

    place(root, 0, 0, None)
    height = (deepest + 2) * ROW + 10
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" '
             f'font-family="monospace" font-size="11"><rect width="100%" height="100%" fill="#fff"/>'
             f'<text x="4" y="13">{escape(title)}: {total:,} samples</text>']
    for name, who, left, depth, count in boxes:
        x, width, y = left * WIDTH / total, count * WIDTH / total, ROW * (depth + 1) + 4
        room = int((width - 4) / 6.7)
        shown = name if len(name) <= room else "…" + name[len(name) - room + 1:] if room > 3 else ""
        text = f'<text x="{x + 2:.1f}" y="{y + 12}">{escape(shown)}</text>' if shown else ""
        parts.append(f'<g><title>{escape(name)} {count / total:.1%}</title><rect x="{x:.1f}" y="{y}" '
                     f'width="{max(width - 0.4, 0.3):.1f}" height="{ROW - 1}" fill="{colour(name, who)}"/>{text}</g>')
    return "\n".join(parts) + "\n</svg>\n"

import { type ReactNode, useId } from "react";

// A picture for whatever has none: a pattern of old fabrics and the name's first character, drawn from the code alone.
const COLOURS = [
    ["#dfe8f1", "#2f5d8a"],
    ["#e8ecd9", "#66752f"],
    ["#f6e3d8", "#a8522a"],
    ["#e9e4f1", "#6a5a96"],
    ["#f5ead0", "#8a6416"],
    ["#dcecea", "#2c6d68"],
    ["#f5e1e4", "#9c4456"],
] as const;

const PATTERNS: ReactNode[] = [
    // 青海波, waves
    [0, 20].map((y) =>
        [-20, 0, 20].map((x) => (
            <g key={`${x} ${y}`} transform={`translate(${x + (y ? 10 : 0)} ${y / 2})`}>
                {[10, 6.5, 3].map((r) => (
                    <circle key={r} cx="10" cy="12" r={r} fill="none" stroke="currentColor" strokeWidth="0.9" />
                ))}
            </g>
        )),
    ),
    // 市松, checks
    <path key="ichimatsu" d="M0 0h10v10H0zM10 10h10v10H10z" fill="currentColor" opacity="0.45" />,
    // 鱗, scales
    <path key="uroko" d="M0 10 5 0l5 10zM10 10 15 0l5 10zM-5 20 0 10l5 10zM5 20l5-10 5 10zM15 20l5-10 5 10z"
        fill="currentColor" opacity="0.4" />,
    // 七宝, linked circles
    [[0, 0], [20, 0], [0, 20], [20, 20], [10, 10]].map(([x, y]) => (
        <circle key={`${x} ${y}`} cx={x} cy={y} r="10" fill="none" stroke="currentColor" strokeWidth="0.9" />
    )),
    // 格子, lattice
    <path key="koshi" d="M0 5h20M0 8h20M5 0v20M8 0v20" stroke="currentColor" strokeWidth="1.1" />,
    // 鹿の子, dots
    [[5, 5], [15, 15]].map(([x, y]) => <circle key={x} cx={x} cy={y} r="2.6" fill="currentColor" opacity="0.6" />),
    // 立涌, rising steam
    <path key="tatewaku" d="M5 0q-8 5 0 10t0 10M15 0q8 5 0 10t0 10"
        fill="none" stroke="currentColor" strokeWidth="1.1" />,
];

export function Art({ code, name }: { code: string; name: string }) {
    const id = useId();
    let hash = 7;
    for (const character of code) hash = (hash * 31 + character.charCodeAt(0)) % 100_003;
    const [ground = "#eee", ink = "#333"] = COLOURS[hash % COLOURS.length] ?? [];
    return (
        <svg className="art" color={ink} aria-hidden="true">
            <pattern id={id} width="20" height="20" patternUnits="userSpaceOnUse" patternTransform="scale(1.6)">
                {PATTERNS[(hash >> 3) % PATTERNS.length]}
            </pattern>
            <rect width="100%" height="100%" fill={ground} />
            <rect width="100%" height="100%" fill={`url(#${id})`} opacity="0.5" />
            <circle cx="50%" cy="50%" r="25%" fill={ground} />
            <circle cx="50%" cy="50%" r="22%" fill={ink} />
            <text x="50%" y="50%" dy="0.03em" textAnchor="middle" dominantBaseline="central" fill={ground}>
                {Array.from(name.replace(/[^\p{L}\p{N}]/gu, ""))[0] ?? ""}
            </text>
        </svg>
    );
}

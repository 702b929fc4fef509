/**
 * How pages look, light and dark. Colours of series: light and dark variants of one hue each, told apart by the colour-blind too, and
 * never alone: lines differ by their dashes, points by their form.
 */
export const STYLE = `
:root{color-scheme:light dark;--paper:#f6f7f9;--card:#fff;--ink:#17202a;--soft:#51606f;--line:#d5dbe1;--accent:#0b5cad;
--c1:#0b6bcb;--c2:#c2410c;--c3:#0f7a5a;--c4:#8a3ffc;--c5:#9a6700;--c6:#b3246f;--warn:#b42318}
@media (prefers-color-scheme:dark){:root{--paper:#10151b;--card:#181f27;--ink:#e8edf2;--soft:#a3b0bd;--line:#36414d;--accent:#7cb8ff;
--c1:#5aa9ff;--c2:#ff9259;--c3:#4fd1a5;--c4:#c39bff;--c5:#e8b84a;--c6:#ff85bd;--warn:#ff8a80}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,sans-serif;overflow-wrap:anywhere}
header,main,footer{max-width:1100px;margin:0 auto;padding:0 16px}
header{padding-top:20px}
main:focus{outline:none}
h1{font-size:1.6rem;line-height:1.2;margin:0}
h2{font-size:1.25rem;margin:32px 0 12px}
h3{font-size:1rem;margin:16px 0 8px}
figcaption h3{margin:0}
.card h3{margin:0 0 8px}
p{margin:4px 0 8px}
header p,figcaption p,.note,footer{color:var(--soft)}
figcaption p{font-size:.9rem}
a{color:var(--accent)}
:focus-visible{outline:3px solid var(--accent);outline-offset:2px}
.skip{position:absolute;left:-999px}
.skip:focus{left:8px;top:8px;background:var(--card);padding:8px}
nav ul{list-style:none;display:flex;flex-wrap:wrap;gap:4px 16px;margin:8px 0;padding:0}
nav a{display:inline-block;padding:4px 0}
.tiles{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,300px),1fr));gap:12px;margin:0 0 12px}
.tile,figure,.card{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:12px 16px;margin:0}
.tile dt{color:var(--soft);font-size:.9rem}
.tile dd{margin:0}
.tile .figure{font-size:1.3rem;font-weight:600}
.side{display:inline-block;min-width:7em;font-size:.85rem;color:var(--soft)}
.note{font-size:.85rem}
.pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,420px),1fr));gap:12px;margin:12px 0;align-items:start}
figure,.card{min-width:0}
figure svg.drawing{display:block;width:100%;height:auto}
.wide{display:none}
@container (min-width:600px){.wide{display:block}.narrow{display:none}}
.plot{container-type:inline-size}
.legend{list-style:none;display:flex;flex-wrap:wrap;gap:2px 16px;margin:4px 0;padding:0;font-size:.9rem}
.legend svg{vertical-align:middle;margin-right:6px}
details{margin-top:8px}
summary{cursor:pointer;color:var(--accent);padding:4px 0}
.scroll{overflow:auto;max-height:420px;margin:8px 0}
table{border-collapse:collapse;font-size:.9rem;min-width:100%;font-variant-numeric:tabular-nums}
caption{text-align:left;color:var(--soft);padding:4px 0}
th,td{text-align:left;padding:4px 12px 4px 0;border-bottom:1px solid var(--line);vertical-align:top;overflow-wrap:normal}
thead th{white-space:nowrap}
.w{min-width:12em}
.n{text-align:right}
.n,.k,th[scope=row] a{white-space:nowrap}
.alarm{color:var(--warn);font-weight:600}
pre{overflow:auto;background:var(--paper);border:1px solid var(--line);border-radius:6px;padding:8px 12px;font-size:.85rem}
footer{padding-top:24px;padding-bottom:32px;font-size:.85rem}
@media print{nav,.skip{display:none}body{background:#fff}}
`;

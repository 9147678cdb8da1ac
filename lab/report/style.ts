/** The report's style sheet: light by default, dark where the reader's system is, nothing loaded from anywhere. */
export const STYLE = `
:root {
  color-scheme: light dark;
  --page: #ffffff; --ink: #1c2128; --quiet: #59636e; --rule: #d8dee4; --soft: #f6f8fa;
  --grid: #e4e8ec; --axis: #8c959f; --band-0: rgba(140,149,159,0.05); --band-1: rgba(140,149,159,0.13);
  --head-0: #e9edf1; --head-1: #d3dae1;
  --nodes: #1b7f79; --maximum: #c4342d; --queued: #e3a008; --running: #2468c9; --finished: #b6c2cf; --mark: #7a3fc0;
  --good: #1a7f37; --bad: #c4342d;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #12161b; --ink: #e6ebf0; --quiet: #9aa5b1; --rule: #303842; --soft: #1a2027;
    --grid: #28303a; --axis: #6b7683; --band-0: rgba(160,172,186,0.04); --band-1: rgba(160,172,186,0.11);
    --head-0: #232b34; --head-1: #333d49;
    --nodes: #3fb8af; --maximum: #ff7b72; --queued: #e8b339; --running: #5b9bf0; --finished: #4a5664; --mark: #b58cf0;
    --good: #4ac26b; --bad: #ff7b72;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 1180px; margin: 0 auto; padding: 28px 24px 56px; }
h1 { font-size: 25px; line-height: 1.25; margin: 0 0 4px; }
h2 { font-size: 17px; margin: 36px 0 10px; }
p { margin: 0 0 10px; max-width: 78ch; }
.quiet { color: var(--quiet); }
.verdict { font-weight: 650; }
.good { color: var(--good); } .bad { color: var(--bad); }
.tiles { display: flex; flex-wrap: wrap; gap: 12px; margin: 20px 0 8px; padding: 0; list-style: none; }
.tiles li { flex: 1 1 150px; background: var(--soft); border: 1px solid var(--rule); border-radius: 8px; padding: 10px 14px; }
.tiles strong { display: block; font-size: 22px; line-height: 1.3; font-variant-numeric: tabular-nums; }
.tiles span { color: var(--quiet); font-size: 13px; }
figure { margin: 12px 0 0; }
.picture { overflow-x: auto; }
svg { display: block; width: 100%; min-width: 760px; height: auto; font: 12px system-ui, sans-serif; }
figcaption { color: var(--quiet); font-size: 13.5px; margin-top: 8px; max-width: 100ch; }
.legend { display: flex; flex-wrap: wrap; gap: 6px 20px; margin: 4px 0 10px; padding: 0; list-style: none; font-size: 13.5px; }
.legend i { display: inline-block; width: 14px; height: 12px; border-radius: 2px; margin-right: 7px; vertical-align: -1px; }
.legend .dash { height: 0; border-top: 2.5px dashed var(--maximum); border-radius: 0; vertical-align: 4px; }
.key { display: grid; grid-template-columns: repeat(auto-fit, minmax(290px, 1fr)); gap: 2px 28px; margin: 10px 0 0; padding: 0; list-style: none; font-size: 13.5px; }
.key li { display: flex; gap: 9px; align-items: baseline; break-inside: avoid; }
.key b { flex: none; min-width: 22px; text-align: center; font-weight: 600; font-size: 12px; border-radius: 4px; background: var(--head-1); }
.key .letter { background: var(--mark); color: var(--page); border-radius: 10px; }
.key em { margin-left: auto; font-style: normal; color: var(--quiet); font-variant-numeric: tabular-nums; white-space: nowrap; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 14px; }
th, td { text-align: left; padding: 6px 14px 6px 0; border-bottom: 1px solid var(--rule); vertical-align: top; overflow-wrap: anywhere; }
th { color: var(--quiet); font-weight: 550; white-space: nowrap; }
td.value { font-variant-numeric: tabular-nums; }
td.kind { white-space: nowrap; } td.state { white-space: nowrap; width: 1%; }
ul.plain { margin: 0; padding-left: 20px; max-width: 96ch; }
ul.plain li { margin: 3px 0; }
.grid { stroke: var(--grid); } .axis { stroke: var(--axis); }
.tick { fill: var(--quiet); font-variant-numeric: tabular-nums; } .label { fill: var(--quiet); }
.panel { fill: var(--ink); font-size: 14px; font-weight: 600; }
.band-0 { fill: var(--band-0); } .band-1 { fill: var(--band-1); }
.band-head-0 { fill: var(--head-0); } .band-head-1 { fill: var(--head-1); }
.band-number { fill: var(--ink); font-size: 11px; }
.area.nodes { fill: var(--nodes); fill-opacity: 0.28; } .nodes-line { stroke: var(--nodes); }
.line { fill: none; stroke-width: 2; stroke-linejoin: round; }
.area.finished { fill: var(--finished); } .area.running { fill: var(--running); } .area.queued { fill: var(--queued); }
.maximum { fill: none; stroke: var(--maximum); stroke-width: 2; stroke-dasharray: 7 5; }
.maximum-label { fill: var(--maximum); font-weight: 600; stroke: var(--page); stroke-width: 4px; paint-order: stroke; }
.mark { stroke: var(--mark); stroke-width: 1.5; stroke-dasharray: 2 3; }
.mark-head { fill: var(--mark); } .mark-letter { fill: var(--page); font-size: 11px; font-weight: 700; }
.swatch-nodes { background: var(--nodes); } .swatch-queued { background: var(--queued); }
.swatch-running { background: var(--running); } .swatch-finished { background: var(--finished); }
`;

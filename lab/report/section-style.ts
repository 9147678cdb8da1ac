/** Style of the queues' timelines and of the costs; goes with the variables of style.ts. */
export const SECTION_STYLE = `
:root { --s-webhook: #7a3fc0; --s-job: #c4342d; --s-node: #e3a008; --s-pod: #1b7f79; --s-agent: #5aa9e6; --s-build: #2468c9; --s-end: #8c959f; }
@media (prefers-color-scheme: dark) {
  :root { --s-webhook: #b58cf0; --s-job: #ff7b72; --s-node: #e8b339; --s-pod: #3fb8af; --s-agent: #8cc8f5; --s-build: #5b9bf0; --s-end: #6b7683; }
}
.step-webhook { background: var(--s-webhook); } .step-Job { background: var(--s-job); } .step-node { background: var(--s-node); }
.step-pod { background: var(--s-pod); } .step-agent { background: var(--s-agent); } .step-build { background: var(--s-build); }
.step-end { background: var(--s-end); }
.queue { position: relative; min-width: 0; border: 1px solid var(--rule); border-radius: 8px; margin: 14px 0; padding: 8px 14px 204px; }
.queue legend { font-weight: 650; padding: 0 6px; } .queue legend span { font-weight: 400; color: var(--quiet); font-size: 13px; }
.rows { background: var(--soft); }
.build { display: block; cursor: pointer; }
.build:hover, .build:focus-within { background: var(--head-1); }
.build input { position: absolute; opacity: 0; width: 1px; height: 1px; margin: 0; }
.steps { display: block; position: relative; height: 7px; }
.steps i { position: absolute; top: 1px; height: 5px; min-width: 1px; }
.build:has(input:checked) .steps { outline: 1px solid var(--axis); }
.build:has(input:focus-visible) .steps { outline: 2px solid var(--ink); }
.scale { display: flex; justify-content: space-between; color: var(--quiet); font-size: 12px; font-variant-numeric: tabular-nums; }
.hint { margin: 4px 0 0; color: var(--quiet); font-size: 13px; }
.card { display: none; position: absolute; z-index: 1; left: 14px; right: 14px; bottom: 8px; height: 188px; overflow: hidden; background: var(--page); font-size: 13px; cursor: auto; }
.build:has(input:checked) .card { display: block; }
.build:hover .card, .build:has(input:focus-visible) .card { display: block; z-index: 2; }
.build:hover .card { z-index: 3; }
.card .title { display: block; height: 40px; overflow: hidden; line-height: 20px; font-weight: 600; overflow-wrap: anywhere; }
.card .line { display: flex; gap: 10px; align-items: center; height: 20px; }
.card b { flex: none; width: 64px; font-weight: 500; } .card em { flex: none; width: 66px; text-align: right; font-style: normal; font-variant-numeric: tabular-nums; }
.card u { position: relative; flex: 1; height: 10px; background: var(--soft); } .card u i { position: absolute; height: 10px; min-width: 1px; }
.meter { height: 18px; max-width: 620px; border-radius: 4px; overflow: hidden; background: var(--queued); margin-bottom: 8px; }
.meter i { display: block; height: 18px; background: var(--nodes); }
.cost th[scope=row] { color: var(--ink); white-space: normal; min-width: 190px; font-weight: 450; }
.cost td, .cost thead th { white-space: nowrap; }
.assumed { margin-top: 14px; font-size: 13.5px; }
.cost .bar { display: block; height: 6px; min-width: 2px; margin-top: 4px; border-radius: 2px; background: var(--nodes); }
@media (max-width: 620px) {
  main { padding: 18px 12px 40px; }
  .queue { padding: 8px 8px 244px; } .card { height: 228px; } .card .title { height: 80px; }
  .cost th[scope=row] { min-width: 130px; } .cost th, .cost td { padding-right: 10px; }
  .card { left: 8px; right: 8px; }
}
`;

import type { PromqlTarget } from "./dashboard-queries";

/** A panel's place on Grafana's grid of 24 columns. */
export interface GridPosition {
  readonly x: number;
  readonly y: number;
  readonly w: number;
  readonly h: number;
}

/** Units as Grafana calls them. */
export type Unit = "short" | "s" | "bytes" | "ops" | "percentunit" | "reqps";

/** What a panel shows; its id and place come with the layout. */
export interface PanelText {
  readonly title: string;
  /** What a person should see in it. */
  readonly description: string;
  readonly type: "timeseries" | "stat";
  readonly unit: Unit;
  readonly targets: readonly PromqlTarget[];
  /** A stat shows its series' name instead of its value. */
  readonly named?: boolean;
  /** Areas on top of each other instead of lines. */
  readonly stacked?: boolean;
}

/** One row of panels, side by side over the whole width. */
export interface PanelRow {
  readonly title: string;
  readonly height: number;
  readonly panels: readonly PanelText[];
}

/** A panel, or a row's heading, as Grafana's dashboard JSON has it. */
export type Panel = ReturnType<typeof headingOf> | ReturnType<typeof panelOf>;

/** The variable that says which Prometheus is asked; no panel names one. */
export const DATASOURCE = { type: "prometheus", uid: "${datasource}" } as const;

const COLUMNS = 24;

/** A number, as it is now. */
export function stat(title: string, description: string, expr: string): PanelText {
  return { title, description, type: "stat", unit: "short", targets: [{ expr, legend: title, instant: true }] };
}

/** Lines over time; what it asks for comes beside it. */
export function chart(title: string, description: string): Omit<PanelText, "targets"> {
  return { title, description, type: "timeseries", unit: "short" };
}

/** Numbers the panels and gives each its place: rows from top to bottom, a row's panels of equal width. */
export function laidOut(rows: readonly PanelRow[]): Panel[] {
  const panels: Panel[] = [];
  let y = 0;
  for (const row of rows) {
    panels.push(headingOf(row.title, panels.length + 1, { x: 0, y, w: COLUMNS, h: 1 }));
    y += 1;
    const w = Math.floor(COLUMNS / row.panels.length);
    for (const [index, text] of row.panels.entries()) {
      panels.push(panelOf(text, panels.length + 1, { x: index * w, y, w, h: row.height }));
    }
    y += row.height;
  }
  return panels;
}

function headingOf(title: string, id: number, gridPos: GridPosition) {
  return { id, type: "row" as const, title, gridPos, collapsed: false, panels: [] };
}

function panelOf(text: PanelText, id: number, gridPos: GridPosition) {
  const { title, description, type, unit } = text;
  return {
    ...{ id, type, title, description, gridPos, datasource: DATASOURCE },
    targets: text.targets.map(({ expr, legend, instant }, index) => ({
      ...{ refId: String.fromCharCode("A".charCodeAt(0) + index), datasource: DATASOURCE, expr, legendFormat: legend },
      ...(instant === true ? { instant: true, range: false } : { instant: false, range: true }),
      editorMode: "code",
    })),
    fieldConfig: {
      defaults: { unit, min: 0, ...(type === "timeseries" ? { custom: lines(text.stacked ?? false) } : {}) },
      overrides: [],
    },
    options:
      type === "timeseries"
        ? {
            legend: { displayMode: "list", placement: "bottom", showLegend: true },
            tooltip: { mode: "multi", sort: "desc" },
          }
        : {
            ...{
              colorMode: "none",
              graphMode: "none",
              justifyMode: "auto",
              textMode: text.named === true ? "name" : "value",
            },
            reduceOptions: { calcs: ["lastNotNull"], fields: "", values: false },
          },
  };
}

function lines(stacked: boolean): Record<string, unknown> {
  return {
    ...{ drawStyle: "line", lineInterpolation: "linear", lineWidth: 1, showPoints: "never", spanNulls: false },
    fillOpacity: stacked ? 40 : 0,
    stacking: { mode: stacked ? "normal" : "none", group: "A" },
  };
}

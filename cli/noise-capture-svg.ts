import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { BarChart, LineChart, ScatterChart } from "echarts/charts";
import {
  AriaComponent,
  DataZoomComponent,
  GridComponent,
  LegendComponent,
  TitleComponent,
  TooltipComponent,
} from "echarts/components";
import { init, use } from "echarts/core";
import { SVGRenderer } from "echarts/renderers";
import type { NoiseReport } from "../lib/capture/report-schema.ts";
import { chartsOf } from "./noise-capture-charts.ts";

const WIDTH = 860;
const HEIGHT = 380;
/** A line for each detector. */
const DETECTORS_HEIGHT = 620;

use([
  ...[BarChart, LineChart, ScatterChart, SVGRenderer],
  ...[AriaComponent, DataZoomComponent, GridComponent],
  ...[LegendComponent, TitleComponent, TooltipComponent],
]);

/**
 * Writes each chart of a report as a picture.
 *
 * @param folder made where it is not there
 * @param report made of a capture
 * @returns the names of the files
 */
export function writeSvgs(folder: string, report: NoiseReport): string[] {
  mkdirSync(folder, { recursive: true });
  return chartsOf(report).map(({ id, title, option }) => {
    const height = id === "detectors" ? DETECTORS_HEIGHT : HEIGHT;
    const chart = init(null, null, { renderer: "svg", ssr: true, width: WIDTH, height });
    // A picture can't be zoomed, so the handle for it goes.
    const { dataZoom: _zoom, ...still } = option;
    chart.setOption({
      ...still,
      backgroundColor: "#ffffff",
      title: { text: title, left: "center", bottom: 4, textStyle: { fontSize: 13 } },
    });
    const file = `${id}.svg`;
    writeFileSync(join(folder, file), chart.renderToSVGString());
    chart.dispose();
    return file;
  });
}

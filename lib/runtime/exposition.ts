/** Names and values that tell series of one family apart. */
export type Labels = Readonly<Record<string, string>>;

/** Metrics of one name. */
export interface MetricFamily {
  readonly name: string;
  readonly type: "gauge" | "counter";
  readonly help: string;
  readonly series: readonly (readonly [Labels, number])[];
}

/**
 * Metrics as Prometheus reads them. A family without a series is left out.
 *
 * Source: Prometheus' text exposition format 0.0.4.
 *
 * @param families in the order in which they are written
 * @returns the whole text, its last line ended
 */
export function expositionText(families: readonly MetricFamily[]): string {
  return families
    .flatMap(familyLines)
    .map((line) => `${line}\n`)
    .join("");
}

function familyLines({ name, type, help, series }: MetricFamily): string[] {
  if (series.length === 0) return [];
  const lines = series.map(([labels, value]) => `${name}${labelText(labels)} ${value}`);
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, ...lines];
}

function labelText(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${quoted(value)}"`);
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
}

function quoted(value: string): string {
  return value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}

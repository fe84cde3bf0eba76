import { type FileHandle, open, rename, rm, stat, writeFile } from "node:fs/promises";
import process from "node:process";
import { ProbeError } from "../lib/probe/error.ts";
import { isError, JUNIT_TAIL, junitCase, junitHead } from "../lib/probe/junit.ts";
import { ProbeMetrics } from "../lib/probe/metrics.ts";
import { MetricsServer } from "../lib/probe/metrics-server.ts";
import type { ProbeResult } from "../lib/probe/result.ts";
import type { RunSummary } from "../lib/probe/run.ts";
import type { ProbeSettings } from "./probe-settings.ts";
import { describeResult, describeSummary } from "./probe-text.ts";

/** Everything that results are written to. */
export class ProbeOutput {
  readonly #settings: ProbeSettings;
  readonly #metrics: ProbeMetrics | undefined;
  readonly #server: MetricsServer | undefined;
  readonly #colours: boolean;
  readonly #isTerminal: boolean;
  readonly #readerGone: Promise<void>;
  #junit: JunitFile | undefined;
  #probed = 0;
  #failed = 0;

  private constructor(settings: ProbeSettings, metrics: ProbeMetrics, server?: MetricsServer) {
    this.#settings = settings;
    this.#metrics = settings.prometheus === undefined ? undefined : metrics;
    this.#server = server;
    this.#readerGone = new Promise((resolve) => {
      process.stdout.once("error", () => resolve());
      process.stdout.once("close", () => resolve());
    });
    const noColour = (process.env["NO_COLOR"] ?? "") !== "";
    this.#colours = process.stdout.isTTY === true && !noColour;
    this.#isTerminal = process.stderr.isTTY === true && !settings.json;
  }

  /**
   * Opens what is written to, and finds out whether files can be: not only once all is probed.
   *
   * @param settings which
   * @throws ProbeError `output-failed`
   */
  static async open(settings: ProbeSettings): Promise<ProbeOutput> {
    const metrics = new ProbeMetrics();
    const { junit, prometheus } = settings;
    if (junit !== undefined) await checkReplaceable(junit);
    if (prometheus?.kind === "file") await checkReplaceable(prometheus.path);
    if (prometheus?.kind !== "port") return new ProbeOutput(settings, metrics);
    const server = await MetricsServer.listen(prometheus.port, () => metrics.text());
    process.stderr.write(`anonctl probe: metrics at http://127.0.0.1:${server.port}/metrics\n`);
    return new ProbeOutput(settings, metrics, server);
  }

  /** Begins a round over the targets. */
  async roundBegins(): Promise<void> {
    this.#probed = 0;
    this.#failed = 0;
    const { junit } = this.#settings;
    if (junit !== undefined) this.#junit = await JunitFile.create(junit);
  }

  /** Tells people of something on the way; not part of the results. */
  notice(text: string): void {
    this.#clearProgress();
    process.stderr.write(`anonctl probe: ${text}\n`);
    this.#showProgress();
  }

  /** Writes a result; resolves when there is room for the next. */
  async take(result: ProbeResult): Promise<void> {
    this.#probed++;
    if (!result.ok) this.#failed++;
    this.#metrics?.take(result);
    await this.#junit?.take(result);
    const text = this.#settings.json
      ? `${JSON.stringify(result)}\n`
      : describeResult(result, { colours: this.#colours });
    this.#clearProgress();
    await this.#write(text);
    this.#showProgress();
  }

  /** Ends a round, and with it the files that tell of it. */
  async roundEnds(summary: RunSummary): Promise<void> {
    const { prometheus, json } = this.#settings;
    this.#clearProgress();
    await this.#junit?.finish(summary.elapsedMs / 1_000);
    this.#junit = undefined;
    this.#metrics?.roundOver(summary.elapsedMs);
    if (prometheus?.kind === "file" && this.#metrics !== undefined) {
      await replaceFile(prometheus.path, this.#metrics.text());
    }
    if (!json) process.stderr.write(describeSummary(summary));
  }

  /** Closes what is open; an unfinished report is thrown away. */
  async close(): Promise<void> {
    this.#clearProgress();
    await this.#junit?.discard();
    this.#server?.close();
  }

  /** Waits while whoever reads is slow; not for one that has gone. */
  async #write(text: string): Promise<void> {
    const written = new Promise<void>((resolve) => {
      if (process.stdout.write(text, () => resolve())) resolve();
    });
    await Promise.race([written, this.#readerGone]);
  }

  #showProgress(): void {
    if (!this.#isTerminal) return;
    process.stderr.write(`${this.#probed} probed, ${this.#failed} failed…`);
  }

  #clearProgress(): void {
    if (this.#isTerminal) process.stderr.write("\r\u001b[K");
  }
}

/** A JUnit report that is written as results come, and takes its name when it is whole. */
class JunitFile {
  readonly #path: string;
  readonly #file: FileHandle;
  #tests = 0;
  #failures = 0;
  #errors = 0;
  /** Results of several lanes come at once; they are written one after the other. */
  #last: Promise<unknown> = Promise.resolve();

  private constructor(path: string, file: FileHandle) {
    this.#path = path;
    this.#file = file;
  }

  static async create(path: string): Promise<JunitFile> {
    const file = await open(partOf(path), "w").catch(outputFailed(path));
    const head = junitHead({ tests: 0, failures: 0, errors: 0, seconds: 0 });
    await file.write(head).catch(outputFailed(path));
    return new JunitFile(path, file);
  }

  async take(result: ProbeResult): Promise<void> {
    this.#tests++;
    if (!result.ok) {
      if (isError(result)) this.#errors++;
      else this.#failures++;
    }
    const written = this.#last.then(() => this.#file.write(junitCase(result)));
    this.#last = written.catch(() => undefined);
    await written.catch(outputFailed(this.#path));
  }

  async finish(seconds: number): Promise<void> {
    const totals = { tests: this.#tests, failures: this.#failures, errors: this.#errors, seconds };
    try {
      await this.#last;
      await this.#file.write(JUNIT_TAIL);
      await this.#file.write(Buffer.from(junitHead(totals)), 0, null, 0);
      await this.#file.close();
      await rename(partOf(this.#path), this.#path);
    } catch (error) {
      outputFailed(this.#path)(error);
    }
  }

  async discard(): Promise<void> {
    await this.#file.close().catch(() => undefined);
    await rm(partOf(this.#path), { force: true });
  }
}

/** What `replaceFile` will do, but for the replacing. */
async function checkReplaceable(path: string): Promise<void> {
  try {
    const there = await stat(path).catch(() => undefined);
    if (there?.isDirectory() === true) throw new Error("it is a directory");
    const file = await open(partOf(path), "w");
    await file.close();
    await rm(partOf(path), { force: true });
  } catch (error) {
    outputFailed(path)(error);
  }
}

/** Whoever reads the file sees the whole of it or the one before. */
async function replaceFile(path: string, text: string): Promise<void> {
  try {
    await writeFile(partOf(path), text);
    await rename(partOf(path), path);
  } catch (error) {
    outputFailed(path)(error);
  }
}

function partOf(path: string): string {
  return `${path}.part`;
}

function outputFailed(path: string): (cause: unknown) => never {
  return (cause) => {
    const why = cause instanceof Error ? cause.message : String(cause);
    const message = `"${path}" can't be written (${why}); choose another place.`;
    throw new ProbeError("output-failed", message, { cause });
  };
}

import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { mute, Playground, web } from "../probe/playground.ts";
import { binary } from "../real/binary.ts";
import { probe, probeOne, resultsOf } from "./probe-program.ts";

const ABSENT = "2gzyxa5ihm7nsggfxnu52rck2vv4rvmdlkiu3zzui5du4xyclen53wid.onion:80";

/** What late garbage may add; a result kept for each target would add more than twice that. */
const RSS_SLACK_BYTES = 100_000_000;

const playground = new Playground();
let directory = "";
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "anonctl-probe-cli-"));
});
afterEach(() => playground.close());
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** A network with a service that answers and one that never does, and the words to reach both. */
async function start() {
  const network = await playground.network();
  const service = async (talk: typeof web): Promise<string> => {
    const port = await playground.listener(talk);
    return `${network.addService(80, { host: "127.0.0.1", port }).host}:80`;
  };
  const proxy = ["--tx-proxy", `tor,127.0.0.1:${network.socksPort}`];
  return { network, proxy, good: await service(web), silent: await service(mute) };
}

describe("anonctl probe", () => {
  test("exits by where the fault lies, this machine's faults first", async () => {
    const { proxy, good, silent } = await start();
    const quick = ["--answer-deadline", "300ms"];
    const code = async (...words: string[]): Promise<number | null> =>
      (await probe([...quick, ...words])).code;
    expect(await code(...proxy, good)).toBe(0);
    expect(await code(...proxy, good, ABSENT)).toBe(1);
    expect(await code(...proxy, good, silent)).toBe(1);
    expect(await code(...proxy, good, "nonsense.onion:80")).toBe(2);
    expect(await code(...proxy, ABSENT, "nonsense.onion:80")).toBe(1);
    expect(await code("--tx-proxy", "tor,127.0.0.1:1", good, "nonsense.onion:80")).toBe(3);
  }, 30_000);

  const usage: readonly (readonly [string, readonly string[]])[] = [
    ["no target", []],
    ["an unknown option", ["--frobnicate", ABSENT]],
    ["an unknown protocol", ["--protocol", "gopher", ABSENT]],
    ["a bad condition", ["--expect", "height>=tall", ABSENT]],
    ["a fact that nobody tells", ["--expect", "colour=red", ABSENT]],
    ["a bad proxy", ["--tx-proxy", "tor,localhost:9050", ABSENT]],
    ["two ways for one zone", ["--direct", "--proxy", "127.0.0.1:1", ABSENT]],
    ["a list that is not there", ["--targets", "/nonexistent/list"]],
    ["an empty list", ["--targets", "-"]],
    ["--self without a service", ["--self"]],
    ["no number", ["--concurrency", "many", ABSENT]],
    ["no duration", ["--open-deadline", "soon", ABSENT]],
    ["rounds of no watch", ["--rounds", "3", ABSENT]],
    ["metrics on no port", ["--prometheus", ":99999", ABSENT]],
    ["metrics on no number", ["--prometheus", ":port", ABSENT]],
  ];
  test.each(usage)("%s is a matter of usage", async (_name, words) => {
    const run = await probe(words);
    expect(run.code).toBe(2);
    expect(run.out).toBe("");
    expect(run.errors.length).toBeGreaterThan(10);
  });

  test.each(["9100", "0.0.0.0:9100", "[::1]:9100", "localhost:9100"])(
    "--prometheus %s is no file without a word",
    async (text) => {
      const run = await probe(["--prometheus", text, ABSENT]);
      expect(run.errors).toContain(
        `--prometheus ${text} would be a file; write :9100 for a port of 127.0.0.1, ./${text} for a file.`,
      );
      expect({ code: run.code, out: run.out }).toEqual({ code: 2, out: "" });
      expect(existsSync(text)).toBe(false);
    },
  );

  test("a file that can't be written is found before anything is probed", async () => {
    const { proxy, good } = await start();
    for (const option of ["--prometheus", "--junit"]) {
      for (const path of [join(directory, "none", "probe"), directory]) {
        const run = await probe([...proxy, option, path, good]);
        expect({ code: run.code, out: run.out }).toEqual({ code: 3, out: "" });
        expect(run.errors).toContain(`"${path}" can't be written`);
        expect(existsSync(`${path}.part`)).toBe(false);
      }
    }
  });

  test.each([
    ["SIGTERM", ["--watch", "1h"], 0],
    ["SIGINT", ["--watch", "1h"], 130],
    // All that was asked for has not been probed, so 0 would be a lie.
    ["SIGTERM", ["--samples", "1000", "--concurrency", "1", "SILENT"], 130],
  ] as const)("%s ends %p with %d", async (signalAfterOutput, words, code) => {
    const { proxy, good, silent } = await start();
    const given = words.map((word) => (word === "SILENT" ? silent : word));
    const run = await probe([...proxy, good, ...given], { signalAfterOutput });
    expect(run.out).toStartWith("ok ");
    expect(run.code).toBe(code);
  });

  test("tells people what failed and what to do", async () => {
    const { proxy, good } = await start();
    const run = await probe([...proxy, "--samples", "2", good, ABSENT]);
    expect(run.out).toMatch(/^ok {4}\S+\.onion:80 {2}http \(2 samples\) {2}open \d+ ms/m);
    expect(run.out).toContain(`FAIL  ${ABSENT}  http  at descriptor (peer)`);
    expect(run.out).toContain("The service is not published");
    expect(run.errors).toMatch(/^2 probed in .*: 1 fail \(peer 1\)\.\n$/);
  });

  test("takes a list from standard input, a line of ten megabytes among others", async () => {
    const { proxy, good } = await start();
    const chunk = Buffer.alloc(100_000, "x");
    const input = [
      Buffer.from(`# mine\n${good}\n`),
      ...Array.from({ length: 100 }, () => chunk),
      Buffer.from(`\n${good}\n`),
    ];
    const run = await probe([...proxy, "--json", "--targets", "-"], { input });
    const results = resultsOf(run).sort((a, b) => a.line - b.line);
    expect(results.map(({ line, ok, code }) => [line, ok, code])).toEqual([
      [2, true, "ok"],
      [3, false, "too-long"],
      [4, true, "ok"],
    ]);
    expect(run.code).toBe(2);
  });

  test("ten thousand targets are all told of, and memory does not grow with their number", async () => {
    const { proxy, good } = await start();
    const peak = async (count: number): Promise<number> => {
      const file = join(directory, `many-${count}`);
      writeFileSync(file, `${good}\n`.repeat(count));
      const words = ["probe", ...proxy, "--json", "--targets", file, "--concurrency", "100"];
      const child = Bun.spawn([binary(), ...words], { stdout: "pipe", stderr: "ignore" });
      let lines = 0;
      for await (const chunk of child.stdout) {
        lines += chunk.filter((byte) => byte === 0x0a).length;
      }
      expect(await child.exited).toBe(0);
      expect(lines).toBe(count);
      return child.resourceUsage()?.maxRSS ?? Number.NaN;
    };
    const few = await peak(2_500);
    // Four times the targets; garbage is collected late on a machine with much memory to spare.
    expect(await peak(10_000)).toBeLessThan(2 * few + RSS_SLACK_BYTES);
  }, 120_000);

  test("--fail-fast stops, --watch repeats, reports are whole", async () => {
    const { proxy, good } = await start();
    const list = join(directory, "list");
    writeFileSync(list, [ABSENT, ...new Array<string>(200).fill(good)].join("\n"));
    const quick = await probe([
      ...proxy,
      "--json",
      "--fail-fast",
      "--concurrency",
      "1",
      "--targets",
      list,
    ]);
    expect(resultsOf(quick)).toHaveLength(1);
    expect(quick.code).toBe(1);
    const junit = join(directory, "probe.xml");
    const metrics = join(directory, "probe.prom");
    const run = await probe([
      ...proxy,
      ...["--json", "--watch", "100ms", "--rounds", "3"],
      ...["--junit", junit, "--prometheus", metrics, good, ABSENT],
    ]);
    expect(resultsOf(run)).toHaveLength(6);
    expect(run.code).toBe(1);
    const xml = readFileSync(junit, "utf8");
    expect(xml).toMatch(/<testsuite name="anonctl probe" tests="2" failures="1" errors="0"/);
    expect(xml).toEndWith("</testsuites>\n");
    const text = readFileSync(metrics, "utf8");
    expect(text).toContain("anonctl_probe_rounds_total 3\n");
    expect(text).toMatch(/onion_service_reachable\{[^}]*\} 1\n/);
    expect([existsSync(`${junit}.part`), existsSync(`${metrics}.part`)]).toEqual([false, false]);
  }, 30_000);

  test("--prometheus :PORT answers while it watches, and SIGINT ends it with 130", async () => {
    const { proxy, good } = await start();
    const scraped = Promise.withResolvers<string>();
    let asked = false;
    const run = await probe([...proxy, "--json", "--watch", "100ms", "--prometheus", ":0", good], {
      onErrors: (text, kill) => {
        const [url] = /http:\S+/.exec(text) ?? [];
        if (url === undefined || asked) return;
        asked = true;
        const look = async (): Promise<void> => {
          let found = "";
          while (!found.includes("anonctl_probe_ok")) found = await (await fetch(url)).text();
          scraped.resolve(found);
          kill("SIGINT");
        };
        void look();
      },
    });
    expect(await scraped.promise).toMatch(/anonctl_probe_ok\{[^}]*\} 1\n/);
    expect(run.code).toBe(130);
  }, 30_000);

  test("--self looks from outside on two circuits, and where the service leads", async () => {
    const { network, proxy } = await start();
    const port = await playground.listener(web);
    const { host } = network.addService(18_083, { host: "127.0.0.1", port });
    const own = ["--self", "--anonymous-inbound", `${host}:18083,127.0.0.1:${port}`];
    const { result } = await probeOne([...proxy, ...own, "--protocol", "http"]);
    expect(result).toMatchObject({ ok: true, attempts: 2 });
    expect(result.self).toEqual({ local: `127.0.0.1:${port}`, ok: true, code: "ok" });
    const wrong = await probeOne([...proxy, ...own]);
    expect(wrong.result).toMatchObject({ ok: false, layer: "protocol", where: "local" });
    expect(wrong.run.code).toBe(3);
  });

  test("a reader that goes away ends it quietly", async () => {
    const { proxy, good } = await start();
    const list = join(directory, "long");
    writeFileSync(list, `${good}\n`.repeat(2_000));
    const words = [binary(), "probe", ...proxy, "--json", "--targets", list].join(" ");
    const child = Bun.spawn(["/bin/sh", "-c", `${words} | head -n 1`], {
      stdout: "pipe",
      stderr: "pipe",
    });
    const errors = new Response(child.stderr).text();
    expect(await new Response(child.stdout).text()).toMatch(/^\{.*\}\n$/);
    expect(await errors).not.toContain("bug");
  }, 30_000);

  test("the example for continuous integration passes and fails with what it probes", async () => {
    const { network, proxy, good } = await start();
    const example = join(import.meta.dir, "../../examples/probe_ci.sh");
    chmodSync(example, 0o755);
    const list = join(directory, "ci-list");
    const run = async (targets: readonly string[]): Promise<{ code: number; out: string }> => {
      writeFileSync(list, `${targets.join("\n")}\n`);
      const child = Bun.spawn([example, list, join(directory, "ci.xml")], {
        stdout: "pipe",
        stderr: "pipe",
        env: {
          ...process.env,
          PATH: `${dirname(binary())}:${process.env["PATH"] ?? ""}`,
          TX_PROXY: proxy[1] ?? "",
        },
      });
      const out = await new Response(child.stdout).text();
      return { code: await child.exited, out };
    };
    expect(network.socksPort).toBeGreaterThan(0);
    expect(await run([good, good])).toEqual({ code: 0, out: "All services can be reached.\n" });
    const failed = await run([good, ABSENT]);
    expect(failed.code).toBe(1);
    expect(failed.out).toContain(`${ABSENT} fails at descriptor (peer)`);
    expect(readFileSync(join(directory, "ci.xml"), "utf8")).toContain('failures="1"');
  }, 30_000);
});

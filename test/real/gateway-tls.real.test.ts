import { afterAll, beforeAll, expect } from "bun:test";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { assertConfined, monerodArguments } from "../../lib/devnet/monerod-arguments.ts";
import { pickPorts } from "../../lib/devnet/ports.ts";
import { Scratch } from "../../lib/process/scratch.ts";
import { requireDaemon } from "./daemon.ts";
import { endNodes, NodeProcess, until } from "./node-process.ts";

const { describe, test, path } = requireDaemon("monerod");

const vectors = join(import.meta.dir, "../vectors/relay");
const LOGIN = "me:correct horse";

describe("A real monerod with --rpc-ssl and --rpc-login", () => {
  let scratch: Scratch;
  let port = 0;
  let loginFile = "";

  beforeAll(async () => {
    scratch = await Scratch.create({});
    const directory = scratch.path("monerod");
    await mkdir(directory, { mode: 0o700 });
    const [p2pPort = 0, rpcPort = 0, restrictedRpcPort = 0] = await pickPorts(3);
    const words = monerodArguments({
      ...{ dataDirectory: directory, confinement: { kind: "offline" }, logLevel: "0" },
      ...{ p2pPort, rpcPort, restrictedRpcPort, txProxies: [], anonymousInbounds: [] },
    });
    words[words.indexOf("--rpc-ssl") + 1] = "enabled";
    words.push("--rpc-ssl-private-key", join(vectors, "gateway-here-key.pem"));
    words.push("--rpc-ssl-certificate", join(vectors, "gateway-here.pem"));
    words.push("--rpc-login", LOGIN);
    assertConfined(words);
    scratch.spawn({ name: "monerod", program: path("monerod"), arguments: words, directory });
    port = rpcPort;
    loginFile = scratch.path("login");
    await writeFile(loginFile, `${LOGIN}\n`, { mode: 0o600 });
  }, 30_000);

  afterAll(async () => {
    await endNodes();
    await scratch?.close();
  }, 30_000);

  async function nodeWith(...words: readonly string[]): Promise<NodeProcess> {
    return await NodeProcess.start({
      arguments: ["--tx-proxy", "tor,127.0.0.1:1", "--daemon", `127.0.0.1:${port}`, ...words],
    });
  }

  /** What the node answers once the daemon is up. */
  async function infoOf(node: NodeProcess): Promise<Record<string, unknown>> {
    return await until(async () => {
      const info = await node.get("/get_info");
      const isStarting = /ECONNREFUSED|can't be reached|Failed to connect/.test(
        String(info["error"]),
      );
      return isStarting ? undefined : info;
    }, 30_000);
  }

  test("answers through the node, which pins its certificate and shows the login", async () => {
    const certificate = join(vectors, "gateway-here.pem");
    const node = await nodeWith(
      "--daemon-cert-file",
      certificate,
      "--daemon-login-file",
      loginFile,
    );
    expect(await infoOf(node)).toMatchObject({ status: "OK", nettype: "fakechain" });
    for (let time = 0; time < 5; time++) {
      expect(await node.post("/json_rpc", { method: "get_version" })).toMatchObject({
        result: { status: "OK" },
      });
    }
    const { daemon } = await node.get("/status");
    expect(daemon).toMatchObject({ tls: true, trusted: true, trouble: null });
  }, 60_000);

  test("is found to have TLS where nothing was said of it", async () => {
    const node = await nodeWith("--daemon-login-file", loginFile);
    expect(await infoOf(node)).toMatchObject({ status: "OK" });
    expect((await node.get("/status"))["daemon"]).toMatchObject({ tls: true });
  }, 60_000);

  test("is not spoken to with another certificate, nor with a wrong login", async () => {
    const authority = join(vectors, "gateway-elsewhere.pem");
    const other = await nodeWith("--daemon-cert-file", authority, "--daemon-login-file", loginFile);
    expect(String((await infoOf(other))["error"])).toContain("is not trusted");
    const wrong = scratch.path("wrong");
    await writeFile(wrong, "me:wrong");
    const node = await nodeWith("--daemon-login-file", wrong);
    expect(String((await infoOf(node))["error"])).toContain("refuses the login");
    expect(String((await infoOf(await nodeWith()))["error"])).toContain("wants a login");
  }, 60_000);
});

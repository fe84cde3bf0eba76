import { afterAll, beforeAll, expect } from "bun:test";
import { join } from "node:path";
import { Common, Mainnet } from "@ethereumjs/common";
import { ETH, RLPx } from "@ethereumjs/devp2p";
import { pickPorts, returnPorts } from "../../lib/devnet/ports.ts";
import { PrivateTorNetwork } from "../../lib/devnet/tor.ts";
import { publicKeyOf } from "../../lib/ethereum/node-key.ts";
import { Scratch } from "../../lib/process/scratch.ts";
import { parseFurl } from "../../lib/tahoe/furl.ts";
import { ControlClient } from "../../lib/tor/control-client.ts";
import { probeOne } from "../cli/probe-program.ts";
import { requireDaemon } from "./daemon.ts";

/* Real peers of Tahoe-LAFS and Ethereum behind real onion services; flappserver stands for Foolscap. */

const { describe, test } = requireDaemon("tor", "flappserver");

const PYTHON = "/usr/bin/python3";
const SWISSNUM = "theswissnumthatnobodymaysee";
const NODE_KEY = Uint8Array.from(Buffer.from("1f".repeat(32), "hex"));
const STRANGER_KEY = Uint8Array.from(Buffer.from("2e".repeat(32), "hex"));
const START_MS_MAX = 60_000;
const TUB_PORT = 3_457;
const NODE_PORT = 30_303;

describe("anonctl probe and real peers behind real onion services", () => {
  let scratch: Scratch;
  let tor: PrivateTorNetwork;
  let control: ControlClient;
  let tub: ReturnType<Scratch["spawn"]>;
  let rlpx: RLPx;
  let nodePort = 0;
  let words: string[] = [];
  /** fURLs of two Tubs, each met at its own onion name; and the onion name of the node. */
  let first = { furl: "", onion: "" };
  let other = { furl: "", onion: "" };
  let node = "";

  beforeAll(async () => {
    scratch = await Scratch.create();
    [nodePort = 0] = await pickPorts(1);
    rlpx = new RLPx(NODE_KEY, {
      clientId: new TextEncoder().encode("ethereumjs-devp2p/real"),
      capabilities: [ETH.eth68],
      common: new Common({ chain: Mainnet }),
      listenPort: nodePort,
    });
    rlpx.events.on("error", () => undefined);
    rlpx.events.on("peer:error", () => undefined);
    rlpx.listen(nodePort, "127.0.0.1");
    tub = scratch.spawn({
      name: "foolscap",
      program: PYTHON,
      arguments: [join(import.meta.dir, "foolscap-tub.py"), SWISSNUM],
      directory: scratch.directory,
    });
    tor = await PrivateTorNetwork.start({ scratch, clients: [{ name: "s" }, { name: "user" }] });
    const [service, user] = tor.clients;
    if (service === undefined || user === undefined) throw new Error("A tor client is missing.");
    words = ["--tx-proxy", `tor,127.0.0.1:${user.socksPort}`];
    control = await ControlClient.connect({
      place: { host: "127.0.0.1", port: service.controlPort },
      cookieFile: service.cookieFile,
    });
    const publish = async (virtualPort: number, port: number): Promise<string> => {
      const target = { host: "127.0.0.1", port };
      const { address } = await control.addOnion({ ports: [{ virtualPort, target }] });
      await tor.reachable(address, virtualPort, { through: user });
      return address;
    };
    const place = async (name: string): Promise<{ furl: string; onion: string }> => {
      const pattern = new RegExp(`^{"furl": "([^"]+)".*"port": ([0-9]+), "tub": "${name}"`);
      const [, furl = "", port = ""] = await tub.line(pattern, { deadlineMs: START_MS_MAX });
      return { furl, onion: await publish(TUB_PORT, Number(port)) };
    };
    [first, other, node] = await Promise.all([
      place("first"),
      place("other"),
      publish(NODE_PORT, nodePort),
    ]);
  }, 180_000);

  afterAll(async () => {
    await control?.close();
    rlpx?.destroy();
    returnPorts([nodePort]);
    await tor?.stop();
    await scratch?.close();
  }, 30_000);

  /** A fURL of one Tub at the place of another. */
  function furlAt(furl: string, onion: string): string {
    return furl.replace(/@[^/]*\//, `@tor:${onion}:${TUB_PORT}/`);
  }

  test("a Tub that holds its identity passes, and never sees the swissnum", async () => {
    const { result, run } = await probeOne([...words, furlAt(first.furl, first.onion)]);
    const { identity } = parseFurl(first.furl);
    expect(result).toMatchObject({ ok: true, protocol: "tahoe", layer: "protocol" });
    expect(result.facts["tub_id"]).toBe(identity.kind === "tub" ? identity.tubId : "");
    expect(run.out + run.errors).not.toContain(SWISSNUM);
    expect(tub.output.filter((line) => line.includes('"heard"')).join("")).not.toContain(SWISSNUM);
  }, 60_000);

  test("a Tub of another identity is refused", async () => {
    const { result } = await probeOne([...words, furlAt(first.furl, other.onion)]);
    expect(result).toMatchObject({ ok: false, layer: "protocol", where: "peer" });
    expect(["unknown-tub", "wrong-identity"]).toContain(result.code);
  }, 60_000);

  test("an RLPx peer tells its program; one with another key is told from it", async () => {
    const enode = (key: Uint8Array): string =>
      `enode://${Buffer.from(publicKeyOf(key)).toString("hex")}@${node}:${NODE_PORT}`;
    const { result } = await probeOne([
      ...words,
      "--expect",
      "capabilities=eth/68",
      enode(NODE_KEY),
    ]);
    expect(result).toMatchObject({ ok: true, protocol: "ethereum", layer: "protocol" });
    expect(result.facts["client"]).toBe("ethereumjs-devp2p/real");
    const wrong = await probeOne([...words, ...["--answer-deadline", "3s", enode(STRANGER_KEY)]]);
    expect(wrong.result).toMatchObject({ ok: false, layer: "answer", where: "peer" });
  }, 60_000);
});

import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { once } from "node:events";
import type { Socket } from "node:net";
import { Common, Mainnet } from "@ethereumjs/common";
import { ETH, type Peer, RLPx } from "@ethereumjs/devp2p";
import { pickPorts, returnPorts } from "../../lib/devnet/ports.ts";
import { parseNode } from "../../lib/ethereum/enode.ts";
import { formatRecord, signRecord } from "../../lib/ethereum/enr.ts";
import { type GreetOptions, greetOver } from "../../lib/ethereum/greet.ts";
import { publicKeyOf } from "../../lib/ethereum/node-key.ts";
import { rlpInteger } from "../../lib/ethereum/rlp.ts";
import { realClock } from "../../lib/runtime/clock.ts";
import { systemRandom } from "../../lib/runtime/random.ts";
import { closeAll, dialled, rejection } from "../socks/loopback.ts";
import { leadingTo, through } from "../socks/serving.ts";

/* An RLPx peer by the EthereumJS project, which shares no code with ours but the curve's library. */

const KEY = Uint8Array.from(Buffer.from("1f".repeat(32), "hex"));
const PUBLIC = publicKeyOf(KEY);
/** What a peer that keeps silent is given, where the test waits for nothing else. */
const SHORT_MS = 1_000;

describe("an RLPx peer of @ethereumjs/devp2p", () => {
  let port = 0;
  let rlpx: RLPx | undefined;
  const added: Peer[] = [];
  const removed: { reason: unknown; byIt: boolean | null }[] = [];
  let onRemoved: () => void = () => undefined;

  beforeAll(async () => {
    [port = 0] = await pickPorts(1);
    const server = new RLPx(KEY, {
      clientId: new TextEncoder().encode("ethereumjs-devp2p/real"),
      capabilities: [ETH.eth67, ETH.eth68],
      common: new Common({ chain: Mainnet }),
      listenPort: port,
    });
    rlpx = server;
    server.events.on("error", () => undefined);
    server.events.on("peer:error", () => undefined);
    server.events.on("peer:added", (peer) => added.push(peer));
    server.events.on("peer:removed", (_peer, reason, byIt) => {
      removed.push({ reason, byIt });
      onRemoved();
    });
    const listens = new Promise<void>((resolve) => server.events.once("listening", resolve));
    server.listen(port, "127.0.0.1");
    await listens;
  });

  afterEach(() => {
    closeAll();
    added.length = 0;
    removed.length = 0;
  });

  afterAll(() => {
    rlpx?.destroy();
    returnPorts([port]);
  });

  function greet(socket: Socket, change: Partial<GreetOptions> = {}) {
    return greetOver(socket, {
      remotePublicKey: PUBLIC,
      random: systemRandom,
      clock: realClock,
      deadlineMs: 20_000,
      ...change,
    });
  }

  /** Resolves when devp2p has seen the end of so many connections. */
  async function gone(count: number): Promise<void> {
    while (removed.length < count) {
      await new Promise<void>((resolve) => {
        onRemoved = resolve;
      });
    }
  }

  test("tells its program and capabilities to a greeting at its enode", async () => {
    const id = Buffer.from(PUBLIC).toString("hex");
    const node = parseNode(`enode://${id}@127.0.0.1:${port}`);
    const socket = await dialled(node.addresses[0]?.port ?? 0);
    const { answer, elapsedMs } = await greet(socket, { remotePublicKey: node.publicKey });
    expect(answer).toEqual({
      kind: "hello",
      hello: {
        protocolVersion: 5,
        clientId: "ethereumjs-devp2p/real",
        capabilities: [
          { name: "eth", version: 67 },
          { name: "eth", version: 68 },
        ],
        listenPort: port,
        publicKey: PUBLIC,
      },
    });
    expect(elapsedMs.answer).toBeLessThan(10_000);
    if (!socket.closed) await once(socket, "close");
  });

  test("is found by its record, and through a SOCKS proxy", async () => {
    const pairs = { ip: Uint8Array.of(127, 0, 0, 1), tcp: rlpInteger(port) };
    const node = parseNode(formatRecord(signRecord({ sequence: 1n, pairs }, KEY)));
    const server = await leadingTo(node.addresses[0]?.port ?? 0);
    const { answer } = await greet(await through(server), { remotePublicKey: node.publicKey });
    expect(answer.kind).toBe("hello");
  });

  test("takes us for a peer when we share a capability, and understands our leave", async () => {
    const capabilities = [{ name: "eth", version: 68 }];
    await greet(await dialled(port), { clientId: "visitor", capabilities });
    await gone(1);
    expect(added.map((peer) => peer.getHelloMessage()?.clientId)).toEqual(["visitor"]);
    // 8: the client is quitting. It was we who said so, compressed as its version asks.
    expect(removed).toEqual([{ reason: 8, byIt: false }]);
  });

  test("gets another key each time, so that it can't tell two greetings are by one", async () => {
    const capabilities = [{ name: "eth", version: 68 }];
    for (let times = 1; times <= 2; times++) {
      await greet(await dialled(port), { capabilities });
      await gone(times);
    }
    const keys = added.map((peer) => Buffer.from(peer.getId() ?? []).toString("hex"));
    expect(keys[0]).toHaveLength(128);
    expect(new Set(keys).size).toBe(2);
    expect(added.map((peer) => peer.getHelloMessage()?.clientId)).toEqual(["", ""]);
  });

  test("does not pass for a node with another key", async () => {
    const remotePublicKey = publicKeyOf(new Uint8Array(32).fill(3));
    const error = await rejection(
      greet(await dialled(port), { remotePublicKey, deadlineMs: SHORT_MS }),
    );
    // It can't open our packet, and leaves the connection open without a word.
    expect(error).toMatchObject({ code: "silent", where: "peer" });
    expect((await greet(await dialled(port))).answer.kind).toBe("hello");
  });

  test("answers fifty greetings at once", async () => {
    // It takes ten at a time for peers; who shares nothing with it is no peer.
    const greetings = Array.from({ length: 50 }, async () => greet(await dialled(port)));
    const answers = (await Promise.all(greetings)).map(({ answer }) => answer.kind);
    expect(answers.filter((kind) => kind === "hello").length).toBe(50);
  });
});

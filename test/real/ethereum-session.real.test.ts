import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import type { Duplex } from "node:stream";
import { Common, Mainnet } from "@ethereumjs/common";
import { ETH, type Peer, RLPx } from "@ethereumjs/devp2p";
import { makeAddress } from "../../lib/address/address.ts";
import { pickPorts, returnPorts } from "../../lib/devnet/ports.ts";
import { publicKeyOf } from "../../lib/ethereum/node-key.ts";
import { PeerSession, type SessionEvent } from "../../lib/ethereum/peer-session.ts";
import { RlpxInitiator } from "../../lib/ethereum/rlpx.ts";
import type { RlpxStep } from "../../lib/ethereum/rlpx-link.ts";
import { RlpxResponder } from "../../lib/ethereum/rlpx-responder.ts";
import { systemRandom } from "../../lib/runtime/random.ts";
import { peerAddressesOf } from "../../lib/zone/mode.ts";
import { TestNode } from "../relay/ethereum-network.ts";
import { closeAll, dialled, listening } from "../socks/loopback.ts";

/* Sessions with an RLPx peer by the EthereumJS project, in both directions. */

const DEVP2P_KEY = Uint8Array.from(Buffer.from("2f".repeat(32), "hex"));
const OUR_KEY = Uint8Array.from(Buffer.from("3f".repeat(32), "hex"));
const SHARED = { name: "tst", version: 1 };

/** A protocol that both speak, since devp2p keeps no peer without one. It says nothing. */
class Silent extends ETH {
  constructor(...all: ConstructorParameters<typeof ETH>) {
    super(...all);
    // It waits for no Status.
    clearTimeout(this._statusTimeoutId);
  }

  override _handleMessage(): void {}
}

/** Our end of a conversation, with all that its session tells. */
class OurEnd {
  readonly told: SessionEvent[] = [];
  session: PeerSession | undefined;
  /** What the handshake ended with. */
  error: unknown;
  readonly #stream: Duplex;
  readonly #handshake: RlpxInitiator | RlpxResponder;
  #look: () => void = () => undefined;

  constructor(stream: Duplex, handshake: RlpxInitiator | RlpxResponder) {
    this.#stream = stream;
    this.#handshake = handshake;
    stream.on("data", (bytes: Uint8Array) => {
      try {
        this.#take(bytes);
      } catch (error) {
        this.error = error;
        this.#look();
      }
    });
    stream.on("end", () => stream.end());
    if (handshake instanceof RlpxInitiator) stream.write(handshake.start());
  }

  /** Carries out what the session wants. */
  act(events: readonly SessionEvent[]): void {
    for (const event of events) {
      if (event.kind === "send") this.#stream.write(event.bytes);
      else this.told.push(event);
    }
    this.#look();
  }

  /** Resolves once the session is there, and has told of something. */
  async heard(kind?: SessionEvent["kind"]): Promise<SessionEvent | undefined> {
    for (;;) {
      const found = this.told.find((event) => event.kind === kind);
      if (this.error !== undefined) return undefined;
      if (this.session !== undefined && (kind === undefined || found !== undefined)) return found;
      await new Promise<void>((resolve) => {
        this.#look = resolve;
      });
    }
  }

  #take(bytes: Uint8Array): void {
    if (this.session !== undefined) {
      this.act(this.session.receive(bytes, 1_000));
      return;
    }
    let step: RlpxStep = this.#handshake.receive(bytes);
    while (step.kind === "send") {
      this.#stream.write(step.bytes);
      step = this.#handshake.receive();
    }
    if (step.kind !== "done" || step.answer.kind !== "hello") return;
    const { link, answer } = step;
    const options = { link, hello: answer.hello, capabilities: [SHARED], random: systemRandom };
    this.session = new PeerSession(options, 0);
    this.act(this.session.receive(new Uint8Array(0), 0));
  }
}

describe("a session with @ethereumjs/devp2p", () => {
  let rlpx: RLPx;
  let port = 0;
  const added: Peer[] = [];
  const removed: { readonly reason: unknown; readonly byIt: boolean | null }[] = [];
  let look: () => void = () => undefined;

  beforeAll(async () => {
    [port = 0] = await pickPorts(1);
    rlpx = new RLPx(DEVP2P_KEY, {
      clientId: new TextEncoder().encode("ethereumjs-devp2p/real"),
      capabilities: [{ ...SHARED, length: 8, constructor: Silent }],
      common: new Common({ chain: Mainnet }),
      listenPort: port,
    });
    rlpx.events.on("error", () => undefined);
    rlpx.events.on("peer:error", () => undefined);
    rlpx.events.on("peer:added", (peer) => {
      added.push(peer);
      look();
    });
    rlpx.events.on("peer:removed", (_peer, reason, byIt) => {
      removed.push({ reason, byIt });
      look();
    });
    const listens = new Promise<void>((resolve) => rlpx.events.once("listening", resolve));
    rlpx.listen(port, "127.0.0.1");
    await listens;
  });

  afterEach(() => {
    closeAll();
    added.length = 0;
    removed.length = 0;
  });

  afterAll(() => {
    rlpx.destroy();
    returnPorts([port]);
  });

  async function until<T>(find: () => T | undefined): Promise<T> {
    for (;;) {
      const found = find();
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => {
        look = resolve;
      });
    }
  }

  /** We dial it. */
  async function toIt(): Promise<OurEnd> {
    const stream = await dialled(port);
    const remotePublicKey = publicKeyOf(DEVP2P_KEY);
    const options = { remotePublicKey, capabilities: [SHARED], random: systemRandom };
    return new OurEnd(stream, new RlpxInitiator(options));
  }

  /** It dials us. */
  async function fromIt(privateKey = OUR_KEY, id = publicKeyOf(OUR_KEY)): Promise<OurEnd> {
    const { promise, resolve } = Promise.withResolvers<Duplex>();
    const { port: ours } = await listening(resolve);
    await rlpx.connect({ id, address: "127.0.0.1", tcpPort: ours, udpPort: ours });
    const stream = await promise;
    const options = { privateKey, capabilities: [SHARED], random: systemRandom };
    return new OurEnd(stream, new RlpxResponder(options));
  }

  test.each([
    ["that we dial", toIt],
    ["that dials us", fromIt],
  ])(
    "with a peer %s: pings and pongs go both ways, and our leave is understood",
    async (_way, open) => {
      const ours = await open();
      const peer = await until(() => added[0]);
      await ours.heard();
      const { session } = ours;
      if (session === undefined) throw new Error("There is no session.");
      // It pings us; without our pong it would disconnect.
      peer["_sendPing"]();
      expect(await ours.heard("ping")).toEqual({ kind: "ping" });
      // We ping it, by its own answer.
      ours.act(session.wake(session.wakeAt));
      expect(await ours.heard("pong")).toMatchObject({ kind: "pong" });
      expect(ours.told.map(({ kind }) => kind)).toEqual(["ping", "pong"]);
      ours.act(session.leave());
      expect(await until(() => removed[0])).toEqual({ reason: 8, byIt: false });
    },
  );

  test.each([
    ["that we dial", toIt],
    ["that dials us", fromIt],
  ])("with a peer %s: its leave is understood, and why", async (_way, open) => {
    const ours = await open();
    const peer = await until(() => added[0]);
    await ours.heard();
    peer.disconnect(4);
    expect(await ours.heard("ended")).toEqual({
      ...{ kind: "ended", by: "peer", reason: { code: 4, name: "too-many-peers" } },
    });
  });

  test("who dials us under another key gets no answer", async () => {
    const ours = await fromIt(OUR_KEY, publicKeyOf(new Uint8Array(32).fill(9)));
    await ours.heard();
    expect(ours.error).toMatchObject({ code: "not-rlpx", where: "peer" });
    expect([ours.session, added]).toEqual([undefined, []]);
  });

  test("our node comes as far as its Hello, and is told that it is no use", async () => {
    const publicKey = publicKeyOf(DEVP2P_KEY);
    const addresses = peerAddressesOf([makeAddress("127.0.0.1", port)]);
    const targets = [{ publicKey, addresses }];
    const node = await TestNode.start({ targets, listen: undefined });
    expect(await node.told("up")).toMatchObject({ hello: { clientId: "ethereumjs-devp2p/real" } });
    // We speak nothing that it speaks: what every full node says to that.
    expect(await node.told("down")).toMatchObject({ by: "peer", reason: "useless-peer" });
    expect(await node.told("waiting")).toMatchObject({ reason: "useless-peer" });
  });
});

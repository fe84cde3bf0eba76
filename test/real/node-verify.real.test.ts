import { afterAll, beforeAll, expect } from "bun:test";
import { once } from "node:events";
import { connect, type Server, type Socket } from "node:net";
import { onionName } from "../../lib/address/onion.ts";
import { Monerod } from "../../lib/devnet/monerod.ts";
import { pickPorts } from "../../lib/devnet/ports.ts";
import { regtestTransactions } from "../../lib/devnet/regtest.ts";
import { PrivateTorNetwork } from "../../lib/devnet/tor.ts";
import { encodeMessage } from "../../lib/levin/frame.ts";
import { nodeStatusSchema, type ReadStatus } from "../../lib/relay/status-schema.ts";
import { say, tupleOf } from "../relay/scripted-peer.ts";
import { requireDaemon } from "./daemon.ts";
import { leadTo } from "./lead-to.ts";
import { endNodes, NodeProcess, until } from "./node-process.ts";
import { type Recording, RecordingProxy } from "./recording-proxy.ts";

const { describe, test } = requireDaemon("tor", "monerod");

const RPC_PORT = 18_081;
/** A node asks again half a minute after a failure at the latest, and Tor takes its time. */
const VERDICT_MS_MAX = 120_000;

const textOf = ({ sent }: Recording): string =>
  Buffer.concat(sent.map(({ bytes }) => bytes)).toString("latin1");

function transaction(index: number): { readonly id: string; readonly blob: string } {
  const found = regtestTransactions[index];
  if (found === undefined) throw new Error(`There is no stored transaction ${index}.`);
  return found;
}

/** The same with another signature, which is wrong. */
function forged(index: number): string {
  const bytes = Buffer.from(transaction(index).blob, "hex");
  const at = bytes.length - 40;
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  return bytes.toString("hex");
}

describe("A node that asks a real monerod behind an onion service about what peers send", () => {
  let tor: PrivateTorNetwork;
  let daemon: Monerod;
  let peer: Monerod;
  let lead: Server;
  let proxy: RecordingProxy;
  let node: NodeProcess;
  let onion = "";
  const guests: Socket[] = [];

  beforeAll(async () => {
    const [port = 0, inbound = 0] = await pickPorts(2);
    const target = { host: "127.0.0.1", port };
    tor = await PrivateTorNetwork.start({
      clients: [
        { name: "service", onionServices: [{ virtualPort: RPC_PORT, target }] },
        { name: "user" },
      ],
    });
    const [service, user] = tor.clients;
    [onion = ""] = service?.onions ?? [];
    if (user === undefined) throw new Error("A client is missing.");
    daemon = await Monerod.start({ name: "daemon" });
    peer = await Monerod.start({ name: "peer" });
    lead = await leadTo(port, daemon.restrictedRpcPort);
    await tor.reachable(onion, RPC_PORT, { through: user });
    proxy = await RecordingProxy.listen(user.socksPort);
    const own = `${onionName(new Uint8Array(32).fill(7))}:18083`;
    node = await NodeProcess.start({
      arguments: [
        ...["--tx-proxy", `tor,127.0.0.1:${proxy.port}`],
        ...["--anonymous-inbound", `${own},127.0.0.1:${inbound}`],
        ...["--public", "--p2p-bind-ip", "127.0.0.1", "--p2p-bind-port", "0", "--in-peers", "0"],
        ...["--add-exclusive-node", `127.0.0.1:${peer.p2pPort}`],
        ...["--forward-delay", "uniform:1s..2s", "--dandelion-embargo", "poisson:2s"],
        ...["--verify-with", `http://${onion}:${RPC_PORT}`],
      ],
    });
    await statusWhere(({ zones }) => {
      const peers = zones.find(({ zone }) => zone === "public")?.peers ?? [];
      return peers.some(({ state }) => state === "ready") || undefined;
    });
  }, 180_000);

  afterAll(async () => {
    for (const guest of guests) guest.destroy();
    await endNodes();
    proxy?.close();
    lead?.close();
    await daemon?.stop();
    await peer?.stop();
    await tor?.stop();
  }, 60_000);

  function statusWhere<T>(find: (status: ReadStatus) => T | undefined): Promise<T> {
    return until(
      async () => find(nodeStatusSchema.parse(await node.get("/status"))),
      VERDICT_MS_MAX,
      () => `${JSON.stringify(node.lines)}\n${node.errors.join("\n")}`,
    );
  }

  function verifierWhere<T>(
    find: (verifier: NonNullable<ReadStatus["verifier"]>) => T | undefined,
  ): Promise<T> {
    return statusWhere(({ verifier }) => (verifier === undefined ? undefined : find(verifier)));
  }

  /** Somebody who comes over the node's onion service, and sends a transaction. */
  async function guestWith(hex: string): Promise<Socket> {
    const guest = connect({ host: "127.0.0.1", port: node.inboundPort });
    guests.push(guest);
    guest.on("error", () => undefined);
    await once(guest, "connect");
    guest.write(encodeMessage(say.handshake(tupleOf(9, 50))));
    await once(guest, "data");
    guest.resume();
    guest.write(encodeMessage(say.transactions(Buffer.from(hex, "hex"))));
    return guest;
  }

  async function reachesPeer(id: string): Promise<void> {
    await until(
      async () => (await peer.poolTransactionIds()).includes(id) || undefined,
      VERDICT_MS_MAX,
      () => JSON.stringify(node.lines.slice(-20)),
    );
  }

  const held = async (): Promise<string[]> =>
    (await node.status()).transactions.map(({ id }) => id);

  test("A good transaction goes on, once the daemon has it, who shows it to nobody", async () => {
    const { id, blob } = transaction(0);
    const guest = await guestWith(blob);
    await reachesPeer(id);
    expect(await held()).toContain(id);
    expect(await daemon.poolTransactionIds("all")).toEqual([id]);
    expect(await daemon.poolTransactionIds("public")).toEqual([]);
    expect(guest.destroyed).toBe(false);
    await verifierWhere(({ good, bad, trouble, daemon: place }) =>
      good === 1 && bad === 0 && trouble === null && place === `${onion}:${RPC_PORT}`
        ? true
        : undefined,
    );
  }, 150_000);

  test("One with a broken signature costs its sender the link, and goes nowhere", async () => {
    const guest = await guestWith(forged(1));
    if (!guest.destroyed) await once(guest, "close");
    await verifierWhere(({ bad }) => (bad === 1 ? true : undefined));
    const known = [transaction(0).id];
    expect(await held()).toEqual(known);
    expect(await daemon.poolTransactionIds("all")).toEqual(known);
    // The true one, which spends the same, goes its way; the forged one reached nobody before it.
    const { id, blob } = transaction(1);
    await guestWith(blob);
    await reachesPeer(id);
    expect(new Set(await peer.poolTransactionIds())).toEqual(new Set([...known, id]));
  }, 180_000);

  test("Nothing goes on while the daemon is dead, and what waited does when it is back", async () => {
    const { id, blob } = transaction(2);
    const before = await verifierWhere(({ unanswered }) => unanswered);
    await daemon.kill("SIGKILL");
    const guest = await guestWith(blob);
    const trouble = await verifierWhere((verifier) =>
      verifier.unanswered > before + 1 && verifier.waiting === 1 ? verifier.trouble : undefined,
    );
    expect(trouble).toMatch(/daemon|proxy|tor/i);
    expect(await held()).not.toContain(id);
    expect(await peer.poolTransactionIds()).not.toContain(id);
    await daemon.restart();
    await reachesPeer(id);
    expect(guest.destroyed).toBe(false);
    expect(await held()).toContain(id);
  }, 240_000);

  test("A wallet's own is never shown to the daemon", async () => {
    const own = transaction(3);
    const answer = await node.post("/send_raw_transaction", { tx_as_hex: own.blob });
    expect(answer).toMatchObject({ status: "OK", anonctl: { delivery: "held" } });
    // Whatever is asked after it would have been asked behind it.
    const { id, blob } = transaction(4);
    await guestWith(blob);
    await reachesPeer(id);
    expect(await daemon.poolTransactionIds("all")).toContain(id);
    expect(await daemon.poolTransactionIds("all")).not.toContain(own.id);
    const asked = proxy.recordings.map(textOf).filter((text) => text.includes("HTTP/1.1"));
    const text = asked.join();
    expect(text).toContain(`"tx_as_hex":"${blob}","do_not_relay":true,"do_sanity_checks":true`);
    expect(text).not.toContain(own.blob.slice(0, 200));
    // Each was asked about by POST, and nothing else was asked.
    const paths = text.match(/(?:GET|POST) \S+ HTTP/g) ?? [];
    expect(new Set(paths)).toEqual(new Set(["POST /send_raw_transaction HTTP"]));
  }, 180_000);
});

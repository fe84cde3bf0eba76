import { afterAll, beforeAll, expect } from "bun:test";
import { PrivateTorNetwork } from "../../lib/devnet/tor.ts";
import type { PrivateTorClient } from "../../lib/devnet/tor-client.ts";
import { COMMAND, decodeTimedSyncResponse, type PeerEntry } from "../../lib/monero/message.ts";
import { requireDaemon } from "./daemon.ts";
import { controlOf, endServices, hs } from "./hs-process.ts";
import { MoneroAsker } from "./monero-asker.ts";
import { endNodes, NodeProcess, until } from "./node-process.ts";

/* `anonctl node --anonymous-inbound auto` as it is built, on a private Tor network. */

const { describe, test } = requireDaemon("tor", "tor-gencert");
const UP_MS_MAX = 60_000;
/**
 * A tor that was killed leaves circuits behind at its old introduction points; the client's tor
 * tries them, each attempt up to a minute, before it fetches the new descriptor. Usual is 3 s.
 */
const RETURN_MS_MAX = 150_000;

describe("a node with an onion service of its own", () => {
  let network: PrivateTorNetwork;
  let host: PrivateTorClient;
  let user: PrivateTorClient;
  let node: NodeProcess;

  beforeAll(async () => {
    network = await PrivateTorNetwork.start({ clients: [{ name: "host" }, { name: "user" }] });
    const [first, second] = network.clients;
    if (first === undefined || second === undefined) throw new Error("A client is missing.");
    [host, user] = [first, second];
    node = await NodeProcess.start({ arguments: own(host) });
  }, 150_000);

  afterAll(async () => {
    await endNodes();
    await endServices();
    await network?.stop();
  }, 30_000);

  const own = (at: PrivateTorClient, ...more: string[]): string[] => [
    ...["--anonymous-inbound", "auto", ...controlOf(at), ...more],
  ];
  const peerOf = async (one: NodeProcess): Promise<unknown> =>
    await one.statusWhere(
      ({ zones }) => zones[0]?.peers.find(({ state }) => state === "ready"),
      UP_MS_MAX,
    );
  const addressOf = (one: NodeProcess): string => {
    const ready = one.lines.find(({ schema }) => schema === "anonctl.node.ready.v1");
    return ready?.service ?? "";
  };

  test("is dialed by another node over real tor", async () => {
    expect(addressOf(node)).toMatch(/^[a-z2-7]{56}\.onion:18083$/);
    const other = await NodeProcess.start({
      arguments: [
        ...["--tx-proxy", `tor,127.0.0.1:${user.socksPort}`],
        ...["--add-exclusive-node", addressOf(node), "--timed-sync", "1s"],
      ],
    });
    expect(await peerOf(other)).toMatchObject({ direction: "outbound" });
    expect(await peerOf(node)).toMatchObject({ direction: "inbound" });
    expect(await other.kill("SIGTERM")).toBe(0);
  }, 120_000);

  test("tells its address to whom it dials, on a stream of its own", async () => {
    const asker = await MoneroAsker.listen();
    try {
      const service = await hs(
        ...["create", "peer", "--port", `18083:127.0.0.1:${asker.port}`, "--detach"],
        ...["--data-dir", `${node.dataDir}/peer`, ...controlOf(host)],
      );
      expect(service.code).toBe(0);
      const telling = await NodeProcess.start({
        arguments: [
          ...own(user, "--tx-proxy", `tor,127.0.0.1:${user.socksPort}`),
          ...["--add-exclusive-node", `${service.first.address}:18083`, "--timed-sync", "1s"],
        ],
      });
      const lists = (): (readonly PeerEntry[])[] =>
        asker.responses(COMMAND.TIMED_SYNC).map((one) => decodeTimedSyncResponse(one).peers);
      // The stream that transactions may go on tells nothing, at a tick; the other, at once, tells.
      const told = await until(
        () => {
          const [list] = lists().filter(({ length }) => length > 0);
          return lists().length > 1 ? list : undefined;
        },
        2 * UP_MS_MAX,
        () => `${asker.heard.length} messages came`,
      );
      expect(lists().filter(({ length }) => length > 0)).toHaveLength(1);
      const [hostName = "", port] = addressOf(telling).split(":");
      expect(told).toEqual([
        {
          address: { type: "tor", host: hostName, port: Number(port) },
          id: 1n,
          lastSeen: 0n,
          pruningSeed: 0,
          rpcPort: 0,
          rpcCreditsPerHash: 0,
        },
      ]);
    } finally {
      await asker.close();
    }
  }, 180_000);

  test("has it up again, at the same address, after tor was killed", async () => {
    const before = addressOf(node);
    await host.kill("SIGKILL");
    await node.line(({ text }) => text?.includes("is waiting") === true, UP_MS_MAX);
    await host.restart({ deadlineMs: UP_MS_MAX });
    const [name = "", port] = before.split(":");
    expect((await hs("watch", name, "--timeout", "60s", ...controlOf(host))).code).toBe(0);
    await network.reachable(name, Number(port), { through: user, deadlineMs: RETURN_MS_MAX });
    const other = await NodeProcess.start({
      arguments: [
        ...["--tx-proxy", `tor,127.0.0.1:${user.socksPort}`],
        ...["--add-exclusive-node", before, "--timed-sync", "1s"],
      ],
    });
    expect(await peerOf(other)).toMatchObject({ direction: "outbound" });
    const ups = node.lines.filter(({ text }) => text?.includes(" is up: ") === true);
    expect(ups.length).toBe(2);
    await other.kill("SIGTERM");
  }, 230_000);

  test("takes it down at its end, and has the same one when it starts again", async () => {
    const before = addressOf(node);
    const name = before.split(":")[0] ?? "";
    expect(await node.kill("SIGINT")).toBe(130);
    const gone = await hs("watch", name, "--timeout", "1s", ...controlOf(host));
    expect(gone.errors).toContain("has not the service up");
    node = await NodeProcess.start({ arguments: own(host, "--detach"), dataDir: node.dataDir });
    expect(addressOf(node)).toBe(before);
    expect(await node.kill("SIGTERM")).toBe(0);
    const left = await hs("watch", name, "--timeout", "30s", ...controlOf(host));
    expect(left).toMatchObject({ code: 0, errors: "" });
    node = await NodeProcess.start({ arguments: own(host), dataDir: node.dataDir });
    expect(addressOf(node)).toBe(before);
  }, 180_000);
});

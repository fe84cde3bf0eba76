import { describe, expect, test } from "bun:test";
import { isFromThisMachine, refusalOf } from "../../lib/address/own-machine.ts";
import { FRAME_BYTES, noiseFrame } from "../../lib/levin/frame.ts";
import { relayMetrics } from "../../lib/relay/metrics.ts";
import type { PeerStatus, RelayStatus, TransactionStatus } from "../../lib/relay/status.ts";
import { nodeStatusSchema } from "../../lib/relay/status-schema.ts";
import { LinkMeter, TrafficSums } from "../../lib/relay/traffic.ts";
import { seedOnions } from "../address/known-onions.ts";
import { ScriptedPeer } from "./scripted-peer.ts";
import { blobOf, idOf } from "./transactions.ts";
import { VirtualNetwork } from "./virtual-network.ts";

const ONION = `${seedOnions[0]}:18083`;

function peer(number: number): PeerStatus {
  return {
    direction: number % 3 === 0 ? "inbound" : "outbound",
    address: number % 3 === 0 ? null : `peer${number}-${ONION}`,
    ...{ origin: "add", state: "ready", trouble: `${ONION} "said\n so\\` },
    ...{
      next_dial_in_ms: null,
      height: "141",
      timed_syncs: 1,
      announces: false,
      bytes_in: 5,
      bytes_out: 6,
    },
  };
}

function transaction(number: number): TransactionStatus {
  return {
    ...{ id: idOf(number), state: "local", origin: "rpc", delivery: "queued" },
    ...{ reason: "It leaves.", sends: 0, received_unix_ms: 1 },
  };
}

function status(peers: number, transactions: number): RelayStatus {
  return {
    schema: "anonctl.node.status.v1",
    network: "mainnet",
    zones: [
      {
        ...{
          zone: "tor",
          height: "141",
          noise: "on",
          noise_bytes_per_second: 246,
          outbound_max: 12,
          forwards_waiting: 0,
          guests: null,
        },
        peers: Array.from({ length: peers }, (_, index) => peer(index)),
        channels: [
          {
            peer: ONION,
            next_frame_in_ms: 777,
            epoch_ends_in_ms: 888,
            queued_frames: 3,
            stream: "warm" as const,
          },
          {
            peer: null,
            next_frame_in_ms: null,
            epoch_ends_in_ms: null,
            queued_frames: 0,
            stream: null,
          },
        ],
        sent_at_ticks: { noise_bytes: 30_720, control_bytes: 3_072, payload_bytes: 6_144 },
        ...{ bytes_in: 1_000, bytes_out: 40_000 },
        book: { anchor: 1, white: 2, gray: 3, banned: 4, backed_off: 5 },
      },
    ],
    transactions: Array.from({ length: transactions }, (_, index) => transaction(index)),
    dandelion: { epoch: "fluff", epoch_ends_in_ms: 5, stems: 2, held: 1, passed: 7 },
  };
}

const samplesOf = (text: string): string[] =>
  text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));

describe("metrics", () => {
  const text = relayMetrics(status(5, 3));

  test("tell what the status tells", () => {
    const samples = samplesOf(text);
    for (const sample of [
      'anonctl_node_peers{zone="tor",direction="outbound",state="ready"} 3',
      'anonctl_node_peers{zone="tor",direction="inbound",state="ready"} 2',
      'anonctl_node_channels{zone="tor",state="running"} 1',
      'anonctl_node_tick_sent_bytes_total{zone="tor",content="payload"} 6144',
      'anonctl_node_tick_sent_bytes_total{zone="tor",content="noise"} 30720',
      'anonctl_node_sent_bytes_total{zone="tor"} 40000',
      'anonctl_node_height{zone="tor"} 141',
      'anonctl_node_book_peers{zone="tor",list="gray"} 3',
      'anonctl_node_transactions{state="local",delivery="queued"} 3',
      "anonctl_node_dandelion_fluff_epoch 1",
    ]) {
      expect(samples).toContain(sample);
    }
  });

  test("are in Prometheus' form, each family declared before its samples, no sample twice", () => {
    const declared = new Set<string>();
    for (const line of text.trimEnd().split("\n")) {
      const [, type] = /^# TYPE ([a-z_]+) (?:gauge|counter)$/.exec(line) ?? [];
      if (type !== undefined) declared.add(type);
      else if (!line.startsWith("# HELP ")) {
        expect(line).toMatch(/^[a-z_]+(\{([a-z_]+="[a-z0-9_]*",?)+\})? [0-9.]+$/);
        expect(declared).toContain(line.split(/[{ ]/)[0] ?? "");
      }
    }
    const names = samplesOf(text).map((line) => line.replace(/ \S+$/, ""));
    expect(new Set(names).size).toBe(names.length);
  });

  test("name no peer, no transaction and no tick to come", () => {
    expect(text).not.toMatch(/onion|i2p:|[0-9a-f]{16}|777|888/);
  });

  test("have as many series with a thousand peers and transactions as with none", () => {
    const many = samplesOf(relayMetrics(status(1_000, 16))).length;
    expect(samplesOf(relayMetrics(status(0, 0)))).toHaveLength(many);
    expect(many).toBeLessThan(60);
  });
});

test("the status has the form that its readers expect", () => {
  const read = nodeStatusSchema.parse(JSON.parse(JSON.stringify({ ...status(3, 2), later: 1 })));
  expect<unknown>(read).toEqual({ ...status(3, 2), later: 1 });
});

describe("bytes", () => {
  test("of ticks are counted by what the frames held", () => {
    const network = new VirtualNetwork();
    const target = { address: new ScriptedPeer(network).address, kind: "add" as const };
    const node = network.add({ zone: { targets: [target], timedSyncMs: 60_000 } });
    network.clock.advance(300_000);
    const [zone] = node.core.zones;
    expect(zone?.channels.sent.payload).toBe(0);
    node.submit(blobOf(0));
    network.clock.advance(300_000);
    const frames = node.sent.filter(({ by }) => by === "tick").map(({ bytes }) => bytes);
    const noise = frames.filter((frame) => Buffer.from(frame).equals(noiseFrame()));
    const { sent } = zone?.channels ?? {};
    expect(sent?.payload).toBe(FRAME_BYTES * Math.ceil(blobOf(0).length / FRAME_BYTES));
    expect(sent?.control).toBeGreaterThan(0);
    expect(sent?.noise).toBe(noise.length * FRAME_BYTES);
    expect(Object.values(sent ?? {}).reduce((sum, bytes) => sum + bytes, 0)).toBe(
      frames.length * FRAME_BYTES,
    );
  });

  test("of a zone outlive its links", () => {
    const sums = new TrafficSums();
    const first = new LinkMeter(sums.of("tor"));
    first.read(3);
    first.wrote(5);
    const second = new LinkMeter(sums.of("tor"));
    second.wrote(7);
    expect([second.bytesIn, second.bytesOut, second.framesOut]).toEqual([0, 7, 1]);
    expect(sums.of("tor")).toEqual({ bytesIn: 3, bytesOut: 12 });
    expect(sums.of("i2p")).toEqual({ bytesIn: 0, bytesOut: 0 });
  });
});

describe("the log", () => {
  test("does not name a peer that can't be reached, even where the proxy does", () => {
    const network = new VirtualNetwork();
    const address = network.name();
    network.dialFault = (to) => ({
      kind: "refuse",
      where: "network",
      reason: `No way to ${to} or ${address.host}`,
    });
    const node = network.add({ zone: { targets: [{ address, kind: "add" }] } });
    node.submit(blobOf(0));
    network.clock.advance(60_000);
    const text = node.notices.map((notice) => notice.text).join("\n");
    expect(text).toContain("No way to the peer or the peer.");
    expect(text).not.toMatch(/onion|[0-9a-f]{64}/);
    // Who asks is told.
    expect(node.core.zones[0]?.targets[0]?.trouble).toContain(address.host);
  });
});

describe("who may ask", () => {
  test.each([
    [{ remoteAddress: "127.0.0.1", localAddress: "127.0.0.1" }, true],
    [{ remoteAddress: "127.8.0.1", localAddress: "127.0.0.1" }, true],
    [{ remoteAddress: "::1", localAddress: "::1" }, true],
    [{ remoteAddress: "::ffff:127.0.0.1", localAddress: "::ffff:127.0.0.1" }, true],
    [{ remoteAddress: "192.0.2.1", localAddress: "192.0.2.1" }, true],
    [{ remoteAddress: "192.0.2.2", localAddress: "192.0.2.1" }, false],
    [{ remoteAddress: "::ffff:192.0.2.2", localAddress: "::ffff:192.0.2.1" }, false],
    [{ remoteAddress: "2001:db8::2", localAddress: "2001:db8::1" }, false],
    [{ remoteAddress: undefined, localAddress: undefined }, false],
  ])("%j is of this machine: %p", (ends, expected) => {
    expect(isFromThisMachine(ends)).toBe(expected);
  });

  test.each([
    [{}, "127.0.0.1", true],
    [{ host: "127.0.0.1:9100" }, "127.0.0.1", true],
    [{ host: "[::1]:9100" }, "::1", true],
    [{ host: "localhost:9100" }, "127.0.0.1", true],
    [{ host: "rebound.example" }, "127.0.0.1", false],
    [{ host: "192.0.2.1:9100" }, "127.0.0.1", false],
    [{ host: "192.0.2.1:9100" }, "0.0.0.0", true],
    [{ host: "rebound.example" }, "0.0.0.0", false],
    [{ host: "127.0.0.1", origin: "http://127.0.0.1" }, "127.0.0.1", false],
  ])("a request with %j to %s is answered: %p", (head, listensOn, expected) => {
    expect(refusalOf(head, listensOn) === undefined).toBe(expected);
  });
});

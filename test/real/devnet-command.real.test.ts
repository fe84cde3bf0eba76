import { afterEach, beforeEach, expect } from "bun:test";
import { devnetDocument } from "../../lib/devnet/document.ts";
import { introduce } from "../../lib/devnet/monerod-peer.ts";
import { regtestChain } from "../../lib/devnet/regtest.ts";
import { realClock } from "../../lib/runtime/clock.ts";
import { connectThroughSocks } from "../../lib/socks/client.ts";
import { CommandPlace } from "../devnet/command.ts";
import { leftOver } from "../devnet/gone.ts";
import { rejection } from "../socks/loopback.ts";
import { requireDaemon } from "./daemon.ts";
import { leaving, socketsOf } from "./sockets-of.ts";

const { test } = requireDaemon("tor", "monerod");

/** With nothing stored yet it makes a Tor network and replays the chain: 25 s on a quiet machine. */
const TEST_MS_MAX = 180_000;

let place: CommandPlace;

beforeEach(() => {
  place = new CommandPlace();
});

afterEach(async () => {
  await place.close();
});

test(
  "anonctl devnet up: monerods answer behind real onion services, and SIGKILL leaves nothing",
  async () => {
    const up = place.start(["up", "--tor", "--monerod", "2", "--json"]);
    const document = devnetDocument.parse(JSON.parse(await up.firstLine));
    expect(document.onionNetwork).toBe("tor");
    expect(document.monerods).toHaveLength(2);
    const pids = document.processes.map(({ pid }) => pid);
    expect(pids).toHaveLength(4 + 3 + 2);

    for (const { onion } of document.monerods) {
      const [host = "", port = ""] = onion.split(":");
      const socket = await connectThroughSocks({
        proxy: { host: "127.0.0.1", port: Number(document.socks.split(":")[1]) },
        request: { version: "5", command: "connect", host, port: Number(port) },
        deadlineMs: 30_000,
        clock: realClock,
      });
      socket.resume();
      const tip = {
        height: BigInt(regtestChain.height),
        topId: regtestChain.topId,
        topVersion: regtestChain.topVersion,
        cumulativeDifficulty: BigInt(regtestChain.height),
      };
      const answer = await introduce(socket, tip, { deadlineMs: 30_000 });
      socket.destroy();
      expect(answer.payloadData.currentHeight).toBe(tip.height);
    }
    // Tor's own codes come through: it tells a name that can't be from one that nobody answers.
    const [right = ""] = (document.monerods[0]?.onion ?? "").split(":");
    const wrong = `${right.startsWith("a") ? "b" : "a"}${right.slice(1)}`;
    const misdialed = connectThroughSocks({
      proxy: { host: "127.0.0.1", port: Number(document.socks.split(":")[1]) },
      request: { version: "5", command: "connect", host: wrong, port: 80 },
      deadlineMs: 30_000,
      clock: realClock,
    });
    expect(await rejection(misdialed)).toMatchObject({ replyCode: 0xf6 });
    const [command = ""] = document.nodeCommands;
    for (const { onion } of document.monerods)
      expect(command).toContain(`--add-exclusive-node ${onion}`);
    expect(leaving(socketsOf(pids))).toEqual([]);
    expect(await place.run(["status"])).toMatchObject({ code: 0 });

    up.process.kill("SIGKILL");
    await up.ended;
    expect(await leftOver(pids, [document.directory])).toEqual([]);
    expect(await leftOver([], place.left())).toEqual([]);
    expect(await place.run(["status"])).toMatchObject({ code: 1 });
  },
  TEST_MS_MAX,
);

test(
  "anonctl devnet up: in the background over a simulated network, noticed when a daemon dies",
  async () => {
    const up = await place.run(["up", "--simulated", "--monerod", "1", "--detach", "--json"]);
    const document = devnetDocument.parse(JSON.parse(up.stdout));
    expect(document.label).toStartWith("simulated:");
    const pids = document.processes.map(({ pid }) => pid);
    expect(pids).toHaveLength(1);
    expect(await place.run(["status"])).toMatchObject({ code: 0 });
    for (const pid of pids) process.kill(pid, "SIGKILL");
    expect(await leftOver(pids, [])).toEqual([]);
    const status = await place.run(["status"]);
    expect(status).toMatchObject({ code: 1 });
    expect(status.stdout).toContain("monerod (0)");
    expect(await place.run(["down"])).toMatchObject({ code: 0 });
    expect(await leftOver([document.pid], [document.directory])).toEqual([]);
    expect(place.left()).toEqual([]);
  },
  TEST_MS_MAX,
);

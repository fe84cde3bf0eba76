import { afterEach, describe, expect, test } from "bun:test";
import { type Address, parseAddressOf } from "../../lib/address/address.ts";
import type { AnonymityZone } from "../../lib/address/zone.ts";
import { realClock } from "../../lib/runtime/clock.ts";
import { SeededRandom } from "../../lib/runtime/random.ts";
import { SocksError } from "../../lib/socks/error.ts";
import { StreamIsolation } from "../../lib/socks/isolation.ts";
import type { SocksRequest } from "../../lib/socks/message.ts";
import { SocksServerHandshake } from "../../lib/socks/server-handshake.ts";
import { Dialer, dialInZone } from "../../lib/zone/dial.ts";
import { ZoneError } from "../../lib/zone/error.ts";
import { parseTxProxy, type TxProxy } from "../../lib/zone/option.ts";
import { seedOnions } from "../address/known-onions.ts";
import { closeAll, closedPort, listening, rejection } from "../socks/loopback.ts";

afterEach(closeAll);

const onion = parseAddressOf(`${seedOnions[0]}:18083`, "tor");
const i2p = parseAddressOf(`${"a".repeat(52)}.b32.i2p:1`, "i2p");
const open = parseAddressOf("127.0.0.1:18080", "public");

function dialer<Z extends AnonymityZone>(zone: Z, port: number, option = ""): Dialer<Z> {
  const read = parseTxProxy(`${zone},${option}127.0.0.1:${port}`);
  const proxy: TxProxy<Z> = { ...read, zone };
  return new Dialer(proxy, new StreamIsolation(new SeededRandom(1)), realClock);
}

/** A proxy that keeps the requests it gets, and grants them. */
async function recordingProxy(): Promise<{ port: number; requests: SocksRequest[] }> {
  const requests: SocksRequest[] = [];
  const { port } = await listening((socket) => {
    const handshake = new SocksServerHandshake();
    socket.on("data", (bytes: Uint8Array) => {
      let step = handshake.receive(bytes);
      while (step.kind === "send") {
        socket.write(step.bytes);
        step = handshake.receive(new Uint8Array(0));
      }
      if (step.kind !== "request") return;
      requests.push(step.request);
      socket.write(handshake.reply({ kind: "granted" } as never));
    });
  });
  return { port, requests };
}

describe("zones are types", () => {
  test("a dialer takes no address of another zone", () => {
    const wrong = async (): Promise<void> => {
      const tor = dialer("tor", 1);
      // @ts-expect-error an I2P address must never reach Tor
      await tor.dial(i2p, { label: "a" });
      // @ts-expect-error a public address must never reach Tor
      await tor.dial(open, { label: "a" });
      // @ts-expect-error nor one of which the zone is not known
      await tor.dial(onion as Address, { label: "a" });
      // @ts-expect-error nor an onion the I2P router
      await dialer("i2p", 1).dial(onion, { label: "a" });
      // @ts-expect-error there is no dialer of the public zone at all
      await dialInZone({}, open, { label: "a" });
      // @ts-expect-error and a Tor dialer can't be put in I2P's place
      await dialInZone({ i2p: tor }, i2p, { label: "a" });
    };
    expect(wrong).toBeFunction();
  });
});

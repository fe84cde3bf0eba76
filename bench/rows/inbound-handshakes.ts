import { join } from "node:path";
import { Monerod } from "../../lib/devnet/monerod.ts";
import { pickPorts, returnPorts } from "../../lib/devnet/ports.ts";
import { regtestChain } from "../../lib/devnet/regtest.ts";
import { encodeMessage } from "../../lib/levin/frame.ts";
import { COMMAND, encodeHandshakeRequest } from "../../lib/monero/message.ts";
import { networks } from "../../lib/monero/network.ts";
import { findProgram } from "../../lib/process/program.ts";
import type { Scratch } from "../../lib/process/scratch.ts";
import { handshakesPerSecond } from "../handshake-client.ts";
import { startNode, startProgram } from "../programs.ts";
import { MissingProgram, type Result, type Row } from "../row.ts";
import { inTurns, ratios, spreadOf } from "../spread.ts";

const ROUNDS = 7;
const ROUND_MS = 700;
const CONCURRENCIES = [1, 8] as const;
const ANSWER = "../../test/vectors/monero/handshake_res_tor.bin";
/** Nobody dials these names, and they end nowhere: only their form counts. */
const ONION = "xwjtp3mj427zdp4tljiiivg2l5ijfvmt5lcsfaygtpp6cw254kykvpyd.onion:18083";

/** Handshakes that a node takes on its anonymous-inbound port, against monerod's. */
export const inboundHandshakes: Row = {
  name: "inbound-handshakes",
  async run(context) {
    if ((await findProgram("monerod")) === undefined) {
      throw new MissingProgram("monerod is not on this machine; apt-get install monero");
    }
    const { scratch } = context;
    const request = handshakeRequest();
    context.progress("starting a node, a monerod and a responder");
    const ports = await pickPorts(2);
    const [ourPort = 0, closedPort = 0] = ports;
    const node = await startNode(scratch, "inbound-node", [
      ...["--anonymous-inbound", `${ONION},127.0.0.1:${ourPort},1000`],
    ]);
    const responder = await startResponder(scratch, request.length);
    // monerod wants a proxy for the zone of an inbound port; nobody listens there, and it dials
    // nobody.
    const monerod = await Monerod.start({
      scratch,
      name: "bench",
      txProxies: [{ zone: "tor", port: closedPort }],
      anonymousInbounds: [{ zone: "tor", address: ONION }],
    });
    try {
      const theirPort = monerod.anonymousInbounds[0]?.port ?? 0;
      const results: Result[] = [];
      for (const concurrency of CONCURRENCIES) {
        context.progress(`inbound handshakes, ${concurrency} at a time`);
        const places = { ours: ourPort, monerod: theirPort, responder: responder.port };
        results.push(await compare(places, request, concurrency));
      }
      return results;
    } finally {
      await Promise.all([monerod.stop(), node.child.destroy(), responder.child.destroy()]);
      returnPorts(ports);
    }
  },
};

async function compare(
  places: { readonly ours: number; readonly monerod: number; readonly responder: number },
  request: Uint8Array,
  concurrency: number,
): Promise<Result> {
  const at = (port: number) => () => handshakesPerSecond(port, request, concurrency, ROUND_MS);
  const measured = await inTurns(ROUNDS, {
    ours: at(places.ours),
    monerod: at(places.monerod),
    alone: at(places.responder),
  });
  const alone = Math.round(spreadOf(measured.alone).median).toLocaleString("en-US");
  return {
    name: `concurrency-${concurrency}`,
    title: `Inbound handshakes, ${concurrency} at a time`,
    unit: "/s",
    ours: spreadOf(measured.ours),
    counterpart: { name: "monerod", value: spreadOf(measured.monerod) },
    comparison: { kind: "ratio", value: ratios(measured.ours, measured.monerod) },
    bounds: [{ word: "goal", of: "comparison", kind: "at-least", value: 1 }],
    note: `one client process; connect, handshake, whole answer, close; monerod as lib/devnet starts it; against a responder with a ready answer the client reaches ${alone}/s`,
  };
}

async function startResponder(scratch: Scratch, requestBytes: number) {
  const answer = join(import.meta.dir, ANSWER);
  return await startProgram(scratch, "handshake-responder", [answer, String(requestBytes)]);
}

/** What monerod takes: the network's id, and a chain tuple that it knows. */
function handshakeRequest(): Uint8Array {
  const payload = encodeHandshakeRequest({
    nodeData: {
      networkId: networks.regtest.id,
      myPort: 0,
      peerId: 1n,
      rpcPort: 0,
      rpcCreditsPerHash: 0,
      supportFlags: 0,
    },
    payloadData: {
      currentHeight: BigInt(regtestChain.height),
      cumulativeDifficulty: BigInt(regtestChain.height),
      topId: Uint8Array.from(Buffer.from(regtestChain.topId, "hex")),
      topVersion: regtestChain.topVersion,
      pruningSeed: 0,
    },
  });
  const command = COMMAND.HANDSHAKE;
  return encodeMessage({ kind: "request", command, returnCode: 0, payload });
}

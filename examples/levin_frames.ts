// Monero's Levin bytes without a network: a recorded handshake, a noise frame, a transaction.
// npx bun examples/levin_frames.ts, or npx deno run examples/levin_frames.ts: no permission needed
import {
  COMMAND,
  commandLimits,
  decodeHandshakeRequest,
  decodeNewTransactions,
  encodeHandshakeRequest,
  encodeMessage,
  encodeNewTransactions,
  FRAME_BYTES,
  framesOf,
  type LevinEvent,
  type LevinMessage,
  LevinReader,
  networks,
  noiseFrame,
  parseTransaction,
  regtestTransactions,
} from "../mod.ts";

/** What monerod 0.18.0.0 wrote to an onion peer right after the SOCKS reply. */
const RECORDED_HANDSHAKE =
  "0121010101010101f30000000000000001e9030000000000000100000001000000" +
  "01110101010102010108096e6f64655f646174610c0c076d795f706f72740600000000" +
  "0a6e6574776f726b5f69640a401230f171610441611731008216a1a110" +
  "07706565725f6964050100000000000000" +
  "0c7061796c6f61645f646174610c14" +
  "1563756d756c61746976655f646966666963756c7479058d00000000000000" +
  "1b63756d756c61746976655f646966666963756c74795f746f703634050000000000000000" +
  "0e63757272656e745f686569676874058d00000000000000" +
  "06746f705f69640a802ac04111d936cf7df63fdf3f7d4bf8570d1806a7f55d524c18d645a1c4335cc6" +
  "0b746f705f76657273696f6e0810";

function main(): void {
  showHandshake(bytesOf(RECORDED_HANDSHAKE));
  // 3,397 bytes: more than fits in one frame.
  const transaction = regtestTransactions[6];
  if (transaction !== undefined) showFrames(bytesOf(transaction.blob));
}

/** Reads the handshake as it would come from a socket, and writes it again. */
function showHandshake(recorded: Uint8Array): void {
  const reader = new LevinReader({ limits: commandLimits });
  // A stream is split anywhere.
  const [event] = [...read(reader, recorded.slice(0, 20)), ...read(reader, recorded.slice(20))];
  if (event?.kind !== "message") throw new Error("The recording is no whole message.");
  const handshake = decodeHandshakeRequest(event.message.payload);
  const { nodeData, payloadData } = handshake;
  const known = Object.values(networks).find(({ id }) => hexOf(id) === hexOf(nodeData.networkId));
  console.log(`A handshake of ${recorded.length} bytes, recorded from monerod:`);
  console.log(`  network  ${known?.name ?? "unknown"}`);
  console.log(
    `  peer id  ${nodeData.peerId}, port ${nodeData.myPort}: the same for every onion peer`,
  );
  console.log(
    `  height   ${payloadData.currentHeight}, last block version ${payloadData.topVersion}`,
  );
  const again = encodeMessage({ ...event.message, payload: encodeHandshakeRequest(handshake) });
  console.log(`  written again, byte for byte the same: ${hexOf(again) === hexOf(recorded)}`);
}

/** Cuts a transaction into frames, puts noise between them, and reads both back. */
function showFrames(blob: Uint8Array): void {
  const message: LevinMessage = {
    kind: "notify",
    command: COMMAND.NEW_TRANSACTIONS,
    returnCode: 0,
    payload: encodeNewTransactions({ txs: [blob], fluff: false, padding: new Uint8Array() }),
  };
  const [first = noiseFrame(), ...rest] = framesOf(message, FRAME_BYTES);
  const stream = [noiseFrame(FRAME_BYTES), first, noiseFrame(FRAME_BYTES), ...rest];
  console.log(`\nA transaction of ${blob.length} bytes, with noise around and between:`);
  const reader = new LevinReader({ limits: commandLimits });
  reader.setHandshakeDone();
  for (const frame of stream) {
    for (const event of read(reader, frame))
      console.log(`  ${frame.length} bytes: ${words(event)}`);
  }
}

function read(reader: LevinReader, bytes: Uint8Array): LevinEvent[] {
  reader.push(bytes);
  const events: LevinEvent[] = [];
  for (let event = reader.next(); event !== undefined; event = reader.next()) events.push(event);
  return events;
}

function words(event: LevinEvent): string {
  if (event.kind === "noise") return "noise";
  if (event.kind === "fragment") return "a fragment; its message is not whole yet";
  const ids = decodeNewTransactions(event.message.payload).txs.map((blob) =>
    hexOf(parseTransaction(blob).id),
  );
  return `the last of ${event.frames} fragments: transaction ${ids.join(", ")}`;
}

function bytesOf(hex: string): Uint8Array {
  return Uint8Array.from(Buffer.from(hex, "hex"));
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

main();

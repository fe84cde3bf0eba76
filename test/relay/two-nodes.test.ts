import { expect, test } from "bun:test";
import { FRAME_BYTES } from "../../lib/levin/frame.ts";
import transactions from "../vectors/monero/txs.json" with { type: "json" };
import { VirtualNetwork } from "./virtual-network.ts";

function blobOf(index: number): Uint8Array {
  return Uint8Array.from(Buffer.from(transactions.txs[index]?.blob ?? "", "hex"));
}

test("A transaction crosses to the peer in noise frames and stays through timed syncs", () => {
  const network = new VirtualNetwork();
  const far = network.add();
  const near = network.add({
    zone: { targets: [{ address: far.address, kind: "exclusive" }], outboundMax: 12 },
  });
  network.clock.advance(5_000);
  near.submit(blobOf(0));
  network.clock.advance(20_000);
  expect([...far.core.pool.forward].map(({ id }) => id)).toEqual([transactions.txs[0]?.txid ?? ""]);
  network.clock.advance(3_600_000);
  const link = [...(near.core.zones[0]?.links.values() ?? [])][0];
  expect(link?.syncs).toBeGreaterThan(50);
  expect(near.dials.length).toBeLessThanOrEqual(2);
  const afterHandshake = near.sent.filter(({ link: id }) => id === link?.id).slice(1);
  for (const { bytes, by } of afterHandshake) {
    expect(bytes.length).toBe(FRAME_BYTES);
    expect(by).toBe("tick");
  }
});

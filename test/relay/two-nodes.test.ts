import { expect, test } from "bun:test";
import { FRAME_BYTES } from "../../lib/levin/frame.ts";
import { blobOf, idOf } from "./transactions.ts";
import { VirtualNetwork } from "./virtual-network.ts";

test("A transaction crosses to the peer in noise frames and stays through timed syncs", () => {
  const network = new VirtualNetwork();
  const far = network.add();
  const near = network.add({ zone: { targets: [{ address: far.address, kind: "exclusive" }] } });
  network.clock.advance(5_000);
  near.submit(blobOf(0));
  network.clock.advance(20_000);
  expect([...far.core.pool.forward].map(({ id }) => id)).toEqual([idOf(0)]);
  network.clock.advance(3_600_000);
  const link = [...(near.core.zones[0]?.links.values() ?? [])][0];
  expect(link?.syncs).toBeGreaterThan(50);
  expect(near.dials.length).toBeLessThanOrEqual(2);
  const afterHandshake = near.sent.filter(({ link: id }) => id === link?.id).slice(1);
  expect(afterHandshake.length).toBeGreaterThan(200);
  for (const { bytes, by } of afterHandshake) {
    expect(bytes.length).toBe(FRAME_BYTES);
    expect(by).toBe("tick");
  }
});

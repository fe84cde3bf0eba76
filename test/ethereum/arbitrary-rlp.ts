import fc from "fast-check";
import { EthereumError } from "../../lib/ethereum/error.ts";
import type { RlpItem } from "../../lib/ethereum/rlp.ts";

/** Any item that is not nested too deeply. */
export const anyItem: fc.Arbitrary<RlpItem> = fc.letrec<{ item: RlpItem }>((tie) => ({
  item: fc.oneof(
    { maxDepth: 5, depthSize: "small" },
    fc.uint8Array({ maxLength: 80 }),
    fc.array(tie("item"), { maxLength: 8 }),
  ),
})).item;

/** The code of the EthereumError that an action throws; `none` when it throws nothing. */
export function codeOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (error instanceof EthereumError) return error.code;
    throw error;
  }
  return "none";
}

/** Bytes of hexadecimal text. */
export function hex(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text.replace(/^0x/, ""), "hex"));
}

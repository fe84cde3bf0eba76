import type { Address } from "../address/address.ts";
import { ipv4Word, ipv6Bytes } from "../address/ip-bytes.ts";
import { detailsOf, inMonerodOrder, lastSeenSeconds, standsIn } from "./export-monerod.ts";
import { ARCHIVE_LITTLE_ENDIAN, ARCHIVE_SIGNATURE, type ArchiveClass } from "./import-archive.ts";
import { ImportError } from "./import-error.ts";
import type { ImportedPeer } from "./import-list.ts";
import { ARCHIVE_ADDRESS, ARCHIVE_CLASS } from "./import-p2pstate.ts";

/** An IPv6 or onion peer with every number at its largest. */
const ENTRY_BYTES_MAX = 140;
const HEAD_BYTES_MAX = 200;
/**
 * The one id of which monerod 0.18 never gets to the end: it takes ids for signed numbers, this one
 * has no positive counterpart, and the loop that counts its bytes runs on. 0 stands in for it.
 */
const UNWRITABLE_ID = 1n << 63n;

/**
 * Peers as the `p2pstate.bin` that monerod 0.18 writes, byte for byte.
 *
 * @param peers of any zones
 * @throws ImportError `not-exportable` for an I2P name that is no `.b32.i2p`: monerod has no place
 *   for it
 * @see monero `src/p2p/net_peerlist.cpp`, `src/p2p/net_peerlist_boost_serialization.h`
 */
export function exportP2pState(peers: Iterable<ImportedPeer>): Uint8Array {
  const all = inMonerodOrder(peers);
  const writer = new ArchiveWriter(HEAD_BYTES_MAX + all.length * ENTRY_BYTES_MAX);
  writer.header();
  writer.classVersion(ARCHIVE_CLASS.LISTS);
  for (const list of ["white", "gray", "anchor"] as const) {
    const entries = all.filter((peer) => standsIn(peer, list));
    writer.number(entries.length);
    for (const peer of entries) writeEntry(writer, peer, list === "anchor");
  }
  return writer.finish();
}

function writeEntry(writer: ArchiveWriter, peer: ImportedPeer, isAnchor: boolean): void {
  const { peerId, pruningSeed, rpcPort, rpcCreditsPerHash } = detailsOf(peer);
  writer.classVersion(isAnchor ? ARCHIVE_CLASS.ANCHOR : ARCHIVE_CLASS.PEER);
  writeAddress(writer, peer.address);
  writer.number(peerId === UNWRITABLE_ID ? 0 : BigInt.asIntN(64, peerId));
  writer.number(lastSeenSeconds(peer));
  if (isAnchor) return;
  writer.number(pruningSeed);
  writer.number(rpcPort);
  writer.number(rpcCreditsPerHash);
}

function writeAddress(writer: ArchiveWriter, { kind, host, port }: Address): void {
  writer.classVersion(ARCHIVE_CLASS.ADDRESS);
  switch (kind) {
    case "ipv4":
      writer.byte(ARCHIVE_ADDRESS.IPV4);
      writer.classVersion(ARCHIVE_CLASS.IPV4);
      writer.number(ipv4Word(host));
      writer.number(port);
      return;
    case "ipv6":
      writer.byte(ARCHIVE_ADDRESS.IPV6);
      writer.classVersion(ARCHIVE_CLASS.IPV6);
      writer.classVersion(ARCHIVE_CLASS.IPV6_BYTES);
      writer.bytes(ipv6Bytes(host));
      writer.number(port);
      return;
    case "b32i2p":
    case "onion3":
      writer.byte(kind === "onion3" ? ARCHIVE_ADDRESS.TOR : ARCHIVE_ADDRESS.I2P);
      writer.classVersion(kind === "onion3" ? ARCHIVE_CLASS.TOR : ARCHIVE_CLASS.I2P);
      writer.number(port);
      writer.byte(host.length);
      writer.bytes(Uint8Array.from(host, (letter) => letter.charCodeAt(0)));
      return;
    case "i2pname":
    case "dns":
      throw new ImportError(
        "not-exportable",
        `"${host}" has no place in monerod's list, which has only IP addresses, .onion and .b32.i2p names; remove it, or export another zone.`,
      );
  }
}

/** Writes what `ArchiveReader` reads. */
class ArchiveWriter {
  readonly #bytes: Uint8Array;
  readonly #classes = new Set<string>();
  #at = 0;

  constructor(bytesMax: number) {
    this.#bytes = new Uint8Array(bytesMax);
  }

  header(): void {
    this.number(ARCHIVE_SIGNATURE.length);
    this.bytes(Uint8Array.from(ARCHIVE_SIGNATURE, (letter) => letter.charCodeAt(0)));
    this.number(0);
    this.byte(ARCHIVE_LITTLE_ENDIAN);
  }

  classVersion({ name, version }: ArchiveClass): void {
    if (this.#classes.has(name)) return;
    this.#classes.add(name);
    this.number(0);
    this.number(version);
  }

  byte(byte: number): void {
    this.#bytes[this.#at++] = byte;
  }

  bytes(bytes: Uint8Array): void {
    this.#bytes.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  number(value: number | bigint): void {
    const number = BigInt(value);
    const sizeAt = this.#at++;
    let left = number < 0n ? -number : number;
    while (left !== 0n) {
      this.byte(Number(left & 0xffn));
      left >>= 8n;
    }
    const size = this.#at - sizeAt - 1;
    this.#bytes[sizeAt] = number < 0n ? -size : size;
  }

  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#at);
  }
}

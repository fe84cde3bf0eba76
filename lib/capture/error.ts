import { Fault } from "../runtime/fault.ts";

/** Each way in which a file can fail to be a capture that can be read. */
export type CaptureErrorCode =
  | "empty"
  | "not-a-capture"
  | "compressed"
  | "version"
  | "link-type"
  | "truncated"
  | "record-too-large"
  | "block-length"
  | "block-too-large"
  | "byte-order"
  | "interface"
  | "unreadable";

/** How far a capture was read; figures made of these packets stand, whatever follows. */
export interface CaptureProgress {
  /** Bytes of the capture taken in, headers of the file format included. */
  readonly bytes: number;
  /** Packets handed on. */
  readonly packets: number;
  /** Packets that carried no time (pcapng's simple packet blocks); they were given the last one. */
  readonly untimedPackets: number;
  /** Packets of interfaces whose link type cannot be read (pcapng only); they were left out. */
  readonly foreignPackets: number;
}

/** A capture that is damaged, cut short, or of a kind that cannot be read. */
export class CaptureError extends Fault<CaptureErrorCode> {
  /** Where in the capture the faulty record starts, in bytes from its beginning. */
  readonly offset: number;
  /** What was read before that. */
  readonly read: CaptureProgress;

  /**
   * @param code which way it failed
   * @param message what is wrong there and what to do; the offset and what was read are added
   * @param offset where the faulty record starts
   * @param read what was read before that
   * @param options `cause`: the error underneath, if there is one
   */
  constructor(
    code: CaptureErrorCode,
    message: string,
    offset: number,
    read: CaptureProgress,
    options?: { cause?: unknown },
  ) {
    const before = `after ${read.packets} ${read.packets === 1 ? "packet" : "packets"}`;
    super(code, "config", `${message} (at byte ${offset}, ${before})`, options);
    this.offset = offset;
    this.read = read;
  }
}

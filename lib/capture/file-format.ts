import { CaptureError, type CaptureErrorCode, type CaptureProgress } from "./error.ts";

/**
 * Bytes of a packet that are taken at the most. It is what tcpdump and dumpcap capture at the most.
 *
 * Source: libpcap's MAXIMUM_SNAPLEN.
 */
export const PACKET_BYTES_MAX = 262_144;

/** How far a file has been read; one object for the whole file, counted up in place. */
export class ReadCount implements CaptureProgress {
  bytes = 0;
  packets = 0;
  untimedPackets = 0;
  foreignPackets = 0;

  /** The figures as they are now. */
  snapshot(): CaptureProgress {
    const { bytes, packets, untimedPackets, foreignPackets } = this;
    return { bytes, packets, untimedPackets, foreignPackets };
  }

  /**
   * An error about the record at a place.
   *
   * @param code which way the file failed
   * @param message what is wrong and what to do
   * @param offset where the record starts in the file
   */
  fault(code: CaptureErrorCode, message: string, offset: number): CaptureError {
    return new CaptureError(code, message, offset, this.snapshot());
  }
}

/** One file format: takes whole records out of a buffer. */
export interface FileFormat {
  /**
   * Takes every whole record.
   *
   * @param bytes the reader's buffer
   * @param start where unread bytes start
   * @param end where they end
   * @param offset where `start` lies in the file
   * @returns how many bytes are done with; may be more than there are, which are then skipped
   * @throws CaptureError about the first record that is damaged
   */
  parse(bytes: Uint8Array, start: number, end: number, offset: number): number;
}

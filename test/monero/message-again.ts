import {
  decodeHandshakeRequest,
  decodeHandshakeResponse,
  decodeNewTransactions,
  decodePingResponse,
  decodePoolComplement,
  decodeSupportFlagsResponse,
  decodeTimedSyncRequest,
  decodeTimedSyncResponse,
  encodeHandshakeRequest,
  encodeHandshakeResponse,
  encodeNewTransactions,
  encodePingResponse,
  encodePoolComplement,
  encodeSupportFlagsResponse,
  encodeTimedSyncRequest,
  encodeTimedSyncResponse,
} from "../../lib/monero/message.ts";

/** Each typed message: read and written again. */
export const again = {
  handshakeRequest: (payload: Uint8Array) =>
    encodeHandshakeRequest(decodeHandshakeRequest(payload)),
  handshakeResponse: (payload: Uint8Array) =>
    encodeHandshakeResponse(decodeHandshakeResponse(payload)),
  timedSyncRequest: (payload: Uint8Array) =>
    encodeTimedSyncRequest(decodeTimedSyncRequest(payload)),
  timedSyncResponse: (payload: Uint8Array) =>
    encodeTimedSyncResponse(decodeTimedSyncResponse(payload)),
  pingResponse: (payload: Uint8Array) => encodePingResponse(decodePingResponse(payload)),
  supportFlagsResponse: (payload: Uint8Array) =>
    encodeSupportFlagsResponse(decodeSupportFlagsResponse(payload)),
  newTransactions: (payload: Uint8Array) => encodeNewTransactions(decodeNewTransactions(payload)),
  poolComplement: (payload: Uint8Array) => encodePoolComplement(decodePoolComplement(payload)),
} as const;

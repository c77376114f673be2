import * as Encoding from "effect/Encoding"

/**
 * Lower-case hex digits from the platform's cryptographic source.
 *
 * @internal
 */
export const randomHex = (bytes: number): string => Encoding.encodeHex(crypto.getRandomValues(new Uint8Array(bytes)))

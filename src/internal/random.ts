/**
 * Lower-case hex digits from the platform's cryptographic source.
 *
 * @internal
 */
export const randomHex = (bytes: number): string =>
  Array.from(crypto.getRandomValues(new Uint8Array(bytes)), (byte) => byte.toString(16).padStart(2, "0")).join("")

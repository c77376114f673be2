const digits = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"))

/**
 * Lower-case hex digits from the platform's cryptographic source.
 *
 * @internal
 */
export const randomHex = (bytes: number): string =>
  crypto.getRandomValues(new Uint8Array(bytes)).reduce((text, byte) => text + digits[byte], "")

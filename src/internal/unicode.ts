/**
 * With U+FFFD for each half of a surrogate pair without its other half.
 *
 * @internal
 */
export const toWellFormed = (text: string): string => text.replace(/\p{Surrogate}/gu, "\ufffd")

/**
 * The text with U+FFFD in place of each lone surrogate.
 *
 * @internal
 */
export const toWellFormed = (text: string): string => text.replace(/\p{Surrogate}/gu, "\ufffd")

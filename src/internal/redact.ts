/**
 * Foreign words (a service's error text, a socket's error message) made safe to show: short, on one line, and
 * without any piece of a secret that went out with the request.
 */

const maxLength = 200
const mark = "[redacted]"

/**
 * From this length on, a piece of a secret is taken for the secret; shorter ones occur by chance.
 */
const shortestPiece = 8

/** A secret shorter than this is only found as a word of its own: its letters occur everywhere. */
const shortestPart = 4

const isLetter = (text: string): boolean => /[\p{L}\p{N}]/u.test(text)

/** How a service that quotes a request may write down what stood in it. */
const quoted = (secret: string, text: string): ReadonlyArray<string> => {
  const forms = [secret]
  if (text.includes("\\")) {
    const json = JSON.stringify(secret).slice(1, -1)
    const escape = (unit: string) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`
    forms.push(json, json.replace(/[\u0080-\uffff]/g, escape))
  }
  if (text.includes("%")) forms.push(encodeURIComponent(secret.replace(/\p{Surrogate}/gu, "\ufffd")))
  return forms.filter((form) => form !== "")
}

/** @internal */
export const redact = (text: string, secrets: ReadonlyArray<string>): string => {
  // Far more than is shown, far less than would make the search for pieces slow.
  const source = text.slice(0, 3 * maxLength)
  const forms = new Set(secrets.flatMap((secret) => quoted(secret, source)))
  let clean = ""
  let secretUntil = 0
  for (let index = 0; index < source.length && clean.length <= maxLength; index++) {
    const isInSecret = index < secretUntil
    for (const form of forms) {
      const end = index + Math.min(shortestPiece, form.length)
      if (end <= secretUntil || end > source.length || !form.includes(source.slice(index, end))) continue
      const isPart = isLetter(source.charAt(index - 1)) || isLetter(source.charAt(end))
      if (form.length >= shortestPart || !isPart) secretUntil = end
    }
    if (index >= secretUntil) clean += source.charAt(index)
    else if (!isInSecret) clean += mark
  }

  const line = clean.replace(/[\u0000-\u0020\u007f-\u009f]+/g, " ").trim()
  return (line.length > maxLength ? `${line.slice(0, maxLength - 1)}…` : line).replace(/\p{Surrogate}/gu, "\ufffd")
}

/** What a client wants to know of its own token. Nothing here is verified: only the server's word on a token counts. */
export interface JwtSubject {
  readonly sub: string;
  /** When the token ends, ms since 1970; null = it does not say. */
  readonly expiresAt: number | null;
}

/** Reads the subject and the end of a JSON Web Token; null when `token` is no JWT or names no subject. Never throws. */
export function jwtSubject(token: string): JwtSubject | null {
  const parts = token.split('.');
  const payload = parts.length === 3 ? parseJson(parts[1] ?? '') : null;
  if (typeof payload !== 'object' || payload === null) return null;
  const sub: unknown = Reflect.get(payload, 'sub');
  const exp: unknown = Reflect.get(payload, 'exp');
  if (typeof sub !== 'string') return null;
  return { sub, expiresAt: typeof exp === 'number' && Number.isFinite(exp) ? exp * 1000 : null };
}

function parseJson(base64Url: string): unknown {
  const bytes = decodeBase64Url(base64Url);
  if (bytes === null) return null;
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    return null;
  }
}

/** `atob` knows neither this alphabet nor UTF-8, and some runtimes lack it. Ordinary base64 and padding pass as well. */
function decodeBase64Url(text: string): Uint8Array | null {
  const end = text.endsWith('==') ? text.length - 2 : text.endsWith('=') ? text.length - 1 : text.length;
  if (end % 4 === 1) return null;
  const bytes = new Uint8Array((end * 3) >> 2);
  let bits = 0;
  let bitCount = 0;
  let length = 0;
  for (let at = 0; at < end; at++) {
    const digit = digitOf(text.charCodeAt(at));
    if (digit < 0) return null;
    bits = ((bits << 6) | digit) & 0xffff;
    bitCount += 6;
    if (bitCount < 8) continue;
    bitCount -= 8;
    bytes[length++] = (bits >> bitCount) & 0xff;
  }
  return bytes;
}

function digitOf(char: number): number {
  if (char >= 65 && char <= 90) return char - 65;
  if (char >= 97 && char <= 122) return char - 71;
  if (char >= 48 && char <= 57) return char + 4;
  if (char === 45 || char === 43) return 62;
  return char === 95 || char === 47 ? 63 : -1;
}

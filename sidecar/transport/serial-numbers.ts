/** Creates a function that counts up from 1, modulo 2³² (RFC 1982). */
export function serialNumbers(): () => number {
  let last = 0
  return () => {
    last = (last + 1) >>> 0
    return last
  }
}

/** Whether a serial number is before another one (RFC 1982 §3.2). */
export function isBefore(number: number, other: number): boolean {
  return ((number - other) | 0) < 0
}

import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import t from 'tap'
import { dataEntry, diskEntry, type TarEntry, tar } from '../../../scripts/image/tar.ts'

/** Longer than the 100 bytes that a ustar header has for a name alone. */
const LONG = `a/${'b'.repeat(80)}/${'c'.repeat(80)}`

async function bytes(entries: TarEntry[]): Promise<Buffer> {
  return Buffer.concat(await Readable.from(tar(entries)).toArray())
}

t.test('what is written is what the system’s tar reads', async t => {
  const dir = t.testdir({ source: 'x'.repeat(1500) })
  const archive = await bytes([
    { type: 'directory', path: 'a', mode: 0o755 },
    { type: 'directory', path: 'tmp', mode: 0o1777 },
    dataEntry('a/empty', Buffer.alloc(0)),
    dataEntry('a/block', Buffer.alloc(512, 'b')),
    dataEntry('a/program', Buffer.from('#!/bin/sh\n'), 0o755),
    diskEntry('a/from-disk', join(dir, 'source')),
    dataEntry(LONG, Buffer.from('far away')),
  ])
  writeFileSync(join(dir, 'out.tar'), archive)
  mkdirSync(join(dir, 'out'))
  execFileSync('tar', ['-xpf', 'out.tar', '-C', 'out', '--no-same-owner'], { cwd: dir })
  t.equal(readFileSync(join(dir, 'out/a/empty'), 'utf8'), '')
  t.equal(readFileSync(join(dir, 'out/a/block'), 'utf8'), 'b'.repeat(512))
  t.equal(readFileSync(join(dir, 'out/a/from-disk'), 'utf8'), 'x'.repeat(1500))
  t.equal(readFileSync(join(dir, 'out', LONG), 'utf8'), 'far away')
  t.equal(statSync(join(dir, 'out/a/program')).mode & 0o7777, 0o755)
  t.equal(statSync(join(dir, 'out/a/block')).mode & 0o7777, 0o644)
  t.equal(statSync(join(dir, 'out/tmp')).mode & 0o7777, 0o1777)
  const listing = execFileSync('tar', ['-tvf', 'out.tar', '--numeric-owner'], { cwd: dir, encoding: 'utf8' })
  t.ok(
    listing.split('\n').every(line => line === '' || / 0\/0 /.test(line)),
    'everything belongs to root',
  )
})

t.test('equal content gives equal bytes, whenever it is written', async t => {
  const dir = t.testdir({ one: 'same', two: 'same' })
  const [one, two] = [await bytes([diskEntry('f', join(dir, 'one'))]), await bytes([diskEntry('f', join(dir, 'two'))])]
  t.ok(one.equals(two))
  // Of no clock and no machine: what was written yesterday elsewhere has this digest too.
  t.equal(
    createHash('sha256').update(one).digest('hex'),
    'fb8f854dd3cd441b5caebfd95784e642c13dba92b24db9d4f300c62be4adb7a7',
  )
})

t.test('what cannot be written is refused', async t => {
  const dir = t.testdir({ source: 'four' })
  const entry = diskEntry('f', join(dir, 'source'))
  writeFileSync(join(dir, 'source'), 'longer than before')
  await t.rejects(bytes([entry]), /f changed while it was packed: 18 bytes, not 4/)
})

import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import t from 'tap'
import { dataEntry, diskEntry, type TarEntry, tar } from '../../scripts/image/tar.ts'

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
  ])
  writeFileSync(join(dir, 'out.tar'), archive)
  mkdirSync(join(dir, 'out'))
  execFileSync('tar', ['-xpf', 'out.tar', '-C', 'out', '--no-same-owner'], { cwd: dir })
  t.equal(readFileSync(join(dir, 'out/a/empty'), 'utf8'), '')
  t.equal(readFileSync(join(dir, 'out/a/block'), 'utf8'), 'b'.repeat(512))
  t.equal(readFileSync(join(dir, 'out/a/from-disk'), 'utf8'), 'x'.repeat(1500))
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
  t.same(await bytes([diskEntry('f', join(dir, 'one'))]), await bytes([diskEntry('f', join(dir, 'two'))]))
})

t.test('what cannot be written is refused', async t => {
  await t.rejects(bytes([dataEntry('x'.repeat(101), Buffer.alloc(0))]), /too long for a tar archive/)
  const dir = t.testdir({ source: 'four' })
  const entry = diskEntry('f', join(dir, 'source'))
  writeFileSync(join(dir, 'source'), 'longer than before')
  await t.rejects(bytes([entry]), /f changed while it was packed: 18 bytes, not 4/)
})

#!/bin/sh
# Writes the assembler file that takes the pack of the page into the binary.
#
#   tools/pack-embed.sh PACK OUT.S
#
# Without PACK the file takes in nothing, and the server shows a page that says how to build the
# real one. The checksum in OUT.S is what makes the build notice a new pack: a .incbin is invisible
# to it. OUT.S stays untouched when nothing changed.
set -eu

pack=$1
out=$2

if [ -f "$pack" ]; then
  include=".incbin \"$pack\""
  sum=$(cksum <"$pack")
else
  include='/* the page was not built */'
  sum=none
fi

cat >"$out.part" <<END
/* Written by tools/pack-embed.sh. Pack: $sum */
        .section .rodata.gesso_pack, "a", %progbits
        .balign 16
        .globl gs_pack_begin
        .hidden gs_pack_begin
        .globl gs_pack_end
        .hidden gs_pack_end
gs_pack_begin:
        $include
gs_pack_end:
        .byte 0
        .section .note.GNU-stack, "", %progbits
END

if cmp -s "$out.part" "$out"; then
  rm "$out.part"
else
  mv "$out.part" "$out"
fi

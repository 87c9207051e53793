#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# embed.sh NAME FILE HEADER: the bytes of FILE as a C array.
set -e
{
	echo "static const unsigned char $1[] __attribute__((aligned(8))) = {"
	od -An -v -tx1 "$2" | sed 's/ \(..\)/0x\1,/g'
	echo "};"
} > "$3"

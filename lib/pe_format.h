/* SPDX-License-Identifier: MIT */
/*
 * Offsets and values of the PE format, for those who read or write its bytes:
 * lib/pe.c and boot/host/join.c.  From Microsoft's "PE Format", whose chapter
 * titles are quoted.
 */
#ifndef LIB_PE_FORMAT_H
#define LIB_PE_FORMAT_H

/* "MS-DOS Stub", "Signature" */
#define PE_DOS_HEADER_SIZE		64
#define PE_DOS_PE_OFFSET		0x3c

/* "COFF File Header", offsets from the signature */
#define PE_COFF_MACHINE			4
#define PE_COFF_SECTION_COUNT		6
#define PE_COFF_SYMBOL_TABLE		12
#define PE_COFF_SYMBOL_COUNT		16
#define PE_COFF_OPTIONAL_SIZE		20
#define PE_COFF_CHARACTERISTICS		22
#define PE_COFF_END			24

#define PE_MACHINE_AMD64		0x8664
#define PE_FLAG_RELOCS_STRIPPED		0x0001
#define PE_FLAG_EXECUTABLE		0x0002

/* "Optional Header", PE32+, offsets from its start */
#define PE_OPT_MAGIC			0
#define PE_OPT_ENTRY			16
#define PE_OPT_IMAGE_BASE		24
#define PE_OPT_SECTION_ALIGN		32
#define PE_OPT_FILE_ALIGN		36
#define PE_OPT_IMAGE_SIZE		56
#define PE_OPT_HEADER_SIZE		60
#define PE_OPT_CHECKSUM			64
#define PE_OPT_DIRECTORY_COUNT		108
#define PE_OPT_DIRECTORIES		112

#define PE_MAGIC_PE32_PLUS		0x20b
#define PE_DIRECTORY_RELOCATIONS	5

/* "Section Table" */
#define PE_SECTION_SIZE			40
#define PE_SECTION_NAME_SIZE		8
#define PE_SECTION_VIRTUAL_SIZE		8
#define PE_SECTION_ADDRESS		12
#define PE_SECTION_RAW_SIZE		16
#define PE_SECTION_RAW_OFFSET		20
#define PE_SECTION_FLAGS		36

#define PE_SECTION_INITIALIZED		0x00000040
#define PE_SECTION_READ			0x40000000

/* "The .reloc Section" */
#define PE_RELOC_BLOCK_HEADER		8
#define PE_RELOC_ABSOLUTE		0
#define PE_RELOC_DIR64			10

#endif
